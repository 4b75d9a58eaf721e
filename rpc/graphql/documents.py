"""Query texts: parsed, validated, weighed and cached, since clients repeat the same texts."""

from collections import Counter
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
    parse,
    validate,
)
from lru import LRU

from zevm.rpc.graphql.schema import EXECUTIONS
from zevm.rpc.limits import Limits

KEPT_TEXTS = 256
KEPT_TEXT_CHARACTERS = 8_192
"""A longer text is not cached."""

LIGHT_FIELDS = 50
"""Maximum of single values in a query that runs on the event loop."""


@dataclass(frozen=True, slots=True)
class Weight:
    """A selection's number of fields, its depth, and whether a field executes or lists objects."""

    fields: int = 0
    depth: int = 0
    heavy: bool = False

    def __add__(self, other: "Weight") -> "Weight":
        return Weight(self.fields + other.fields, max(self.depth, other.depth), self.heavy or other.heavy)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A valid document. light: none of its operations executes, lists objects or has many fields."""

    document: DocumentNode
    light: bool

    def is_mutation(self, operation_name: str | None) -> bool:
        """Whether a request selects a mutation; also False if the executor will not find the operation."""
        operations = [each for each in self.document.definitions if isinstance(each, OperationDefinitionNode)]
        if operation_name is not None:
            operations = [each for each in operations if each.name is not None and each.name.value == operation_name]
        return [each.operation for each in operations] == [OperationType.MUTATION]


class InvalidDocumentError(Exception):
    """The text is not a query that the schema and the limits allow. Carries the errors."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


class Documents:
    """Prepares texts within the limits. Safe from any thread."""

    def __init__(self, schema: GraphQLSchema, limits: Limits) -> None:
        self._schema = schema
        self._limits = limits
        self._kept: LRU[str, Prepared] = LRU(KEPT_TEXTS)

    def prepare(self, text: str) -> Prepared:
        """The document of a text. Raises InvalidDocumentError."""
        prepared = self._kept.get(text)
        if prepared is None:
            prepared = self._prepare(text)
            if len(text) <= KEPT_TEXT_CHARACTERS:
                self._kept[text] = prepared
        return prepared

    def kept(self, text: str) -> Prepared | None:
        """The document of a text that was prepared before, if it is still cached."""
        return self._kept.get(text)

    def _prepare(self, text: str) -> Prepared:
        try:
            limit = self._limits.graphql_tokens
            document = parse(text, max_lexical_tokens=limit, max_comments=limit, allow_empty_selection_sets=False)
        except GraphQLError as error:
            raise InvalidDocumentError([error]) from None
        fault = _repetition(document, self._limits)
        if fault is not None:
            raise InvalidDocumentError([fault])
        errors = validate(self._schema, document, max_errors=10)
        if errors:
            raise InvalidDocumentError(errors)
        try:
            weight = _Weighing(self._schema, document, self._limits.graphql_depth).total()
        except GraphQLError as error:
            raise InvalidDocumentError([error]) from None
        return Prepared(document, light=not weight.heavy and weight.fields <= LIGHT_FIELDS)


def _repetition(document: DocumentNode, limits: Limits) -> GraphQLError | None:
    """The repetition that would make validation slow: it compares fragments, and fields of one name, pairwise."""
    definitions = document.definitions
    fragments = [each for each in definitions if isinstance(each, FragmentDefinitionNode)]
    if len(fragments) > limits.graphql_fragments:
        return GraphQLError(
            f"more than {limits.graphql_fragments} fragments; use fewer, or raise --rpc-graphql-fragments"
        )
    wanted: list[SelectionSetNode | None] = [getattr(each, "selection_set", None) for each in definitions]
    while wanted:
        selection_set = wanted.pop()
        selections = () if selection_set is None else selection_set.selections
        names = Counter(_response_name(each) for each in selections)
        if names and max(names.values()) > limits.graphql_repetitions:
            return GraphQLError(
                f"more than {limits.graphql_repetitions} selections of one name; "
                "use fewer, or raise --rpc-graphql-repetitions",
                selection_set,
            )
        wanted += [getattr(each, "selection_set", None) for each in selections]
    return None


def _response_name(node: SelectionNode) -> str:
    """A field's name in the answer; named fragments and inline fragments count as one name each."""
    if isinstance(node, FieldNode):
        return node.name.value if node.alias is None else node.alias.value
    return "..."


class _Weighing:
    """Weighs each fragment once, regardless of its uses."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, depth_limit: int) -> None:
        self._schema = schema
        self._document = document
        self._depth_limit = depth_limit
        definitions = document.definitions
        self._fragments = {each.name.value: each for each in definitions if isinstance(each, FragmentDefinitionNode)}
        self._weights: dict[str, Weight] = {}

    def total(self) -> Weight:
        """All operations together. Raises GraphQLError past the depth limit."""
        weight = Weight()
        for definition in self._document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                root = self._schema.get_root_type(definition.operation)
                assert root is not None, "validated"
                weight += self._selections(definition.selection_set, root, 0)
        return weight

    def _selections(self, selection_set: SelectionSetNode, parent: GraphQLCompositeType, depth: int) -> Weight:
        weight = Weight()
        for selection in selection_set.selections:
            if isinstance(selection, FieldNode):
                weight += self._field(selection, parent, depth + 1)
            elif isinstance(selection, InlineFragmentNode):
                # every type of the schema is an object, so a fragment's condition is the parent itself
                weight += self._selections(selection.selection_set, parent, depth)
            elif isinstance(selection, FragmentSpreadNode):
                weight += self._spread(selection, parent, depth)
        return weight

    def _field(self, node: FieldNode, parent: GraphQLCompositeType, depth: int) -> Weight:
        name = node.name.value
        self._check(node, name, depth)
        field = self._schema.get_field(parent, name)
        assert field is not None, "validated"
        named = get_named_type(field.type)
        own = Weight(1, 1, name in EXECUTIONS)
        if not is_composite_type(named) or node.selection_set is None:
            return own
        inner = self._selections(node.selection_set, named, depth)
        listed = is_list_type(get_nullable_type(field.type))
        return Weight(1 + inner.fields, 1 + inner.depth, own.heavy or inner.heavy or listed)

    def _spread(self, node: FragmentSpreadNode, parent: GraphQLCompositeType, depth: int) -> Weight:
        name = node.name.value
        weight = self._weights.get(name)
        if weight is None:
            weight = self._selections(self._fragments[name].selection_set, parent, depth)
            self._weights[name] = weight
        self._check(node, name, depth + weight.depth)
        return weight

    def _check(self, node: FieldNode | FragmentSpreadNode, name: str, depth: int) -> None:
        if depth > self._depth_limit:
            raise GraphQLError(
                f'Field "{name}" has depth {depth} that exceeds max depth {self._depth_limit}; '
                "nest less, or raise --rpc-graphql-depth",
                node,
            )
