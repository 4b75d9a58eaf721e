//! The functions of CPython's stable ABI (3.11) that the core calls, declared by hand: no headers are needed.
//! All but those that take or hand over the lock are to be called with the lock held.

const std = @import("std");
const Error = @import("errors.zig").Error;
const words = @import("word.zig");

pub const Size = isize;
const Type = opaque {};
/// The head of every object, as the stable ABI has it on 64-bit machines.
pub const Object = extern struct { references: Size, type: *Type };

pub const Method = extern struct {
    name: ?[*:0]const u8 = null,
    function: ?*const anyopaque = null,
    flags: c_int = 0,
    documentation: ?[*:0]const u8 = null,
};
pub const Module = extern struct {
    base: extern struct { references: Size = 1, type: ?*Type = null, init: ?*anyopaque = null, index: Size = 0, copy: ?*Object = null } = .{},
    name: [*:0]const u8,
    documentation: ?[*:0]const u8 = null,
    state_size: Size = -1,
    methods: [*]Method,
    slots: ?*anyopaque = null,
    traverse: ?*anyopaque = null,
    clear: ?*anyopaque = null,
    free: ?*anyopaque = null,
};
const Buffer = extern struct {
    data: ?[*]const u8,
    owner: ?*Object,
    size: Size,
    item_size: Size,
    is_readonly: c_int,
    dimensions: c_int,
    format: ?[*:0]u8,
    shape: ?*Size,
    strides: ?*Size,
    suboffsets: ?*Size,
    internal: ?*anyopaque,
};

pub const fastcall_with_keywords: c_int = 0x0080 | 0x0002;
pub const api_version: c_int = 3;

pub extern fn PyModule_Create2(*Module, c_int) ?*Object;
pub extern fn PyModule_AddObjectRef(*Object, [*:0]const u8, *Object) c_int;
extern fn PyType_GetFlags(*Type) c_ulong;
extern fn PyType_GenericAlloc(*Type, Size) ?*Object;
extern fn PyObject_GenericSetAttr(*Object, *Object, *Object) c_int;
extern fn PyBytes_FromStringAndSize(?[*]const u8, Size) ?*Object;
extern fn PyMemoryView_FromMemory([*]const u8, Size, c_int) ?*Object;
extern fn PyBytes_AsString(*Object) ?[*]u8;
extern fn PyBytes_Size(*Object) Size;
extern fn PyUnicode_FromStringAndSize(?[*]const u8, Size) ?*Object;
extern fn PyUnicode_AsUTF8AndSize(*Object, *Size) ?[*]const u8;
pub extern fn PyUnicode_InternFromString([*:0]const u8) ?*Object;
extern fn PyLong_FromUnsignedLongLong(c_ulonglong) ?*Object;
extern fn PyLong_FromString([*:0]const u8, ?*anyopaque, c_int) ?*Object;
extern fn PyLong_AsLongAndOverflow(*Object, *c_int) c_long;
extern fn PyLong_AsUnsignedLongLongMask(*Object) c_ulonglong;
extern fn PyNumber_Rshift(*Object, *Object) ?*Object;
extern fn PyObject_Hash(*Object) Size;
pub extern fn PyDict_New() ?*Object;
pub extern fn PyDict_SetItem(*Object, *Object, *Object) c_int;
pub extern fn PyDict_Next(*Object, *Size, *?*Object, *?*Object) c_int;
pub extern fn PyDict_Size(*Object) Size;
extern fn PyDict_GetItemWithError(*Object, *Object) ?*Object;
extern fn PyObject_RichCompareBool(*Object, *Object, c_int) c_int;
extern fn PyObject_GetAttr(*Object, *Object) ?*Object;
pub extern fn PyObject_GetItem(*Object, *Object) ?*Object;
extern fn PyBool_FromLong(c_long) ?*Object;
extern fn PyErr_Occurred() ?*Object;
extern fn PySequence_Contains(*Object, *Object) c_int;
pub extern fn PySet_New(?*Object) ?*Object;
pub extern fn PyFrozenSet_New(?*Object) ?*Object;
pub extern fn PySet_Add(*Object, *Object) c_int;
pub extern fn PyList_New(Size) ?*Object;
pub extern fn PyList_SetItem(*Object, Size, *Object) c_int;
pub extern fn PyList_Append(*Object, *Object) c_int;
extern fn PyList_GetItem(*Object, Size) ?*Object;
extern fn PyList_Size(*Object) Size;
pub extern fn PyTuple_New(Size) ?*Object;
pub extern fn PyTuple_SetItem(*Object, Size, *Object) c_int;
extern fn PyTuple_GetItem(*Object, Size) ?*Object;
extern fn PyTuple_Size(*Object) Size;
pub extern fn PyObject_Call(*Object, *Object, ?*Object) ?*Object;
pub extern fn PyObject_CallFunctionObjArgs(*Object, ...) ?*Object;
extern fn PyObject_CallMethodObjArgs(*Object, *Object, ...) ?*Object;
extern fn PyObject_IsTrue(*Object) c_int;
extern fn PyObject_GetBuffer(*Object, *Buffer, c_int) c_int;
extern fn PyBuffer_Release(*Buffer) void;
pub extern fn PyErr_SetString(*Object, [*:0]const u8) void;
pub extern fn PyErr_NewException([*:0]const u8, ?*Object, ?*Object) ?*Object;
extern fn PyErr_Clear() void;
extern fn PyErr_Fetch(*?*Object, *?*Object, *?*Object) void;
extern fn PyErr_Restore(?*Object, ?*Object, ?*Object) void;
extern fn PyErr_NormalizeException(*?*Object, *?*Object, *?*Object) void;
extern fn PyException_SetTraceback(*Object, *Object) c_int;
pub extern fn PyErr_NoMemory() ?*Object;
pub extern var PyExc_ValueError: *Object;
pub extern var PyExc_TypeError: *Object;
extern fn Py_IncRef(?*Object) void;
extern fn Py_DecRef(?*Object) void;
pub extern fn PyEval_SaveThread() ?*anyopaque;
pub extern fn PyEval_RestoreThread(?*anyopaque) void;
extern fn PyGILState_Ensure() c_int;
extern fn PyGILState_Release(c_int) void;
extern var _Py_NoneStruct: Object;
extern var _Py_TrueStruct: Object;
extern var _Py_FalseStruct: Object;

/// The interpreter's lock, taken in C code that a thread without it runs, whatever called that.
pub const Lock = struct {
    state: c_int,

    pub fn take() Lock {
        return .{ .state = PyGILState_Ensure() };
    }

    pub fn give(self: Lock) void {
        PyGILState_Release(self.state);
    }
};

const Kind = enum(c_ulong) {
    integer = 1 << 24,
    list = 1 << 25,
    tuple = 1 << 26,
    bytes = 1 << 27,
    string = 1 << 28,
    dict = 1 << 29,
    class = 1 << 31,
};

/// Whether an object is of a built-in type or a subclass.
pub fn is(object: *Object, kind: Kind) bool {
    return PyType_GetFlags(object.type) & @intFromEnum(kind) != 0;
}

pub fn is_none(object: *Object) bool {
    return object == &_Py_NoneStruct;
}

/// True or False, if the object is one of them.
pub fn truth_of(object: *Object) ?bool {
    if (object == &_Py_TrueStruct) return true;
    return if (object == &_Py_FalseStruct) false else null;
}

/// A new reference to None.
pub fn none() *Object {
    return keep(&_Py_NoneStruct);
}

pub fn keep(object: *Object) *Object {
    Py_IncRef(object);
    return object;
}

pub fn drop(object: *Object) void {
    Py_DecRef(object);
}

/// The result of a call that has set an exception where it is null.
pub fn made(object: ?*Object) Error!*Object {
    return object orelse error.Raised;
}

pub fn done(status: c_int) Error!void {
    if (status < 0) return error.Raised;
}

pub fn bytes(data: []const u8) Error!*Object {
    return made(PyBytes_FromStringAndSize(data.ptr, @intCast(data.len)));
}

const buffer_to_read: c_int = 0x100;

/// A memoryview of bytes that Python does not own: who gets it has to release it before they go.
pub fn shown(data: []const u8) Error!*Object {
    return made(PyMemoryView_FromMemory(data.ptr, @intCast(data.len), buffer_to_read));
}

/// A new bytes object, and its memory, which is to be filled before anything else sees it.
pub fn blank(size: usize) Error!struct { *Object, []u8 } {
    const object = try made(PyBytes_FromStringAndSize(null, @intCast(size)));
    return .{ object, PyBytes_AsString(object).?[0..size] };
}

/// The contents of a bytes object, which must be one; they live as long as it.
pub fn contents(object: *Object) Error![]const u8 {
    if (!is(object, .bytes)) return error.Refused;
    return PyBytes_AsString(object).?[0..@intCast(PyBytes_Size(object))];
}

pub fn string(text: []const u8) Error!*Object {
    return made(PyUnicode_FromStringAndSize(text.ptr, @intCast(text.len)));
}

/// Refused of one that UTF-8 cannot have: with half a surrogate pair.
pub fn text_of(object: *Object) Error![]const u8 {
    if (!is(object, .string)) return error.Refused;
    var size: Size = 0;
    const text = PyUnicode_AsUTF8AndSize(object, &size) orelse {
        PyErr_Clear();
        return error.Refused;
    };
    return text[0..@intCast(size)];
}

pub fn integer(value: u64) Error!*Object {
    return made(PyLong_FromUnsignedLongLong(value));
}

/// The integer of big-endian bytes, 32 at most.
pub fn integer_of(data: []const u8) Error!*Object {
    if (data.len > 32) return error.Refused;
    if (data.len <= 8) {
        var value: u64 = 0;
        for (data) |byte| value = value << 8 | byte;
        return integer(value);
    }
    var text: [65]u8 = undefined;
    const digits = "0123456789abcdef";
    for (data, 0..) |byte, index| {
        text[2 * index] = digits[byte >> 4];
        text[2 * index + 1] = digits[byte & 15];
    }
    text[2 * data.len] = 0;
    return made(PyLong_FromString(text[0 .. 2 * data.len :0].ptr, null, 16));
}

/// An integer that is neither negative nor over 63 bits.
pub fn size_of(object: *Object) Error!usize {
    if (!is(object, .integer)) return error.Refused;
    var overflow: c_int = 0;
    const value = PyLong_AsLongAndOverflow(object, &overflow);
    return if (overflow == 0 and value >= 0) @intCast(value) else error.Refused;
}

/// An integer of 63 bits and a sign.
pub fn small_of(object: *Object) Error!i64 {
    if (!is(object, .integer)) return error.Refused;
    var overflow: c_int = 0;
    const value = PyLong_AsLongAndOverflow(object, &overflow);
    return if (overflow == 0) value else error.Refused;
}

/// The integer of a word.
pub fn integer_of_word(value: u256) Error!*Object {
    if (value >> 64 == 0) return integer(@truncate(value));
    const digits = words.to_bytes(value);
    return integer_of(std.mem.trimStart(u8, &digits, "\x00"));
}

/// An integer that is neither negative nor over 256 bits.
pub fn word_of(object: *Object) Error!u256 {
    if (!is(object, .integer)) return error.Refused;
    var overflow: c_int = 0;
    const small = PyLong_AsLongAndOverflow(object, &overflow);
    if (overflow == 0) return if (small < 0) error.Refused else @intCast(small);
    if (overflow < 0) return error.Refused;
    var word: u256 = PyLong_AsUnsignedLongLongMask(object);
    const step = try integer(64);
    defer drop(step);
    var rest = try made(PyNumber_Rshift(object, step));
    defer drop(rest);
    inline for (.{ 64, 128, 192 }) |place| {
        word |= @as(u256, PyLong_AsUnsignedLongLongMask(rest)) << place;
        const next = try made(PyNumber_Rshift(rest, step));
        drop(rest);
        rest = next;
    }
    return if (try is_true(rest)) error.Refused else word;
}

/// Call a method with new references, which are dropped.
pub fn call_method(object: *Object, method: *Object, arguments: anytype) Error!*Object {
    defer for (arguments) |argument| drop(argument);
    const end: ?*Object = null;
    return made(switch (arguments.len) {
        0 => PyObject_CallMethodObjArgs(object, method, end),
        1 => PyObject_CallMethodObjArgs(object, method, arguments[0], end),
        2 => PyObject_CallMethodObjArgs(object, method, arguments[0], arguments[1], end),
        3 => PyObject_CallMethodObjArgs(object, method, arguments[0], arguments[1], arguments[2], end),
        4 => PyObject_CallMethodObjArgs(object, method, arguments[0], arguments[1], arguments[2], arguments[3], end),
        else => comptime unreachable,
    });
}

/// A new reference to the exception that is set, which is not set any more.
pub fn take_exception() *Object {
    var kind: ?*Object = null;
    var value: ?*Object = null;
    var trace: ?*Object = null;
    PyErr_Fetch(&kind, &value, &trace);
    PyErr_NormalizeException(&kind, &value, &trace);
    if (trace) |object| {
        _ = PyException_SetTraceback(value.?, object);
        drop(object);
    }
    if (kind) |object| drop(object);
    return value.?;
}

/// The exception that is set, put aside for calls that want none.
pub const Exception = struct {
    kind: ?*Object = null,
    value: ?*Object = null,
    trace: ?*Object = null,

    pub fn fetch() Exception {
        var self: Exception = .{};
        PyErr_Fetch(&self.kind, &self.value, &self.trace);
        return self;
    }

    pub fn restore(self: Exception) void {
        PyErr_Restore(self.kind, self.value, self.trace);
    }

    pub fn drop(self: Exception) void {
        inline for (.{ self.kind, self.value, self.trace }) |object| Py_DecRef(object);
    }
};

pub fn is_true(object: *Object) Error!bool {
    const truth = PyObject_IsTrue(object);
    return if (truth < 0) error.Raised else truth != 0;
}

/// A number that nobody outside the process can tell, unless it was started so.
pub fn entropy() Error!u64 {
    const text = try string("zevm");
    defer drop(text);
    return @bitCast(PyObject_Hash(text));
}

/// Give a module a constant.
pub fn add(module: *Object, name: [*:0]const u8, text: []const u8) Error!void {
    const object = try string(text);
    defer drop(object);
    try done(PyModule_AddObjectRef(module, name, object));
}

/// A list's or a tuple's length and items; the items are borrowed.
pub const Sequence = struct {
    object: *Object,
    size: usize,
    is_list: bool,

    pub fn at(self: Sequence, index: usize) Error!*Object {
        const place: Size = @intCast(index);
        return made(if (self.is_list) PyList_GetItem(self.object, place) else PyTuple_GetItem(self.object, place));
    }
};

pub fn sequence(object: *Object) Error!Sequence {
    const is_list = is(object, .list);
    if (!is_list and !is(object, .tuple)) return error.Refused;
    const size = if (is_list) PyList_Size(object) else PyTuple_Size(object);
    return .{ .object = object, .size = @intCast(size), .is_list = is_list };
}

/// A view of an object's bytes, until it is released.
pub const View = struct {
    buffer: Buffer,

    pub fn data(self: *const View) []const u8 {
        const size: usize = @intCast(self.buffer.size);
        return if (self.buffer.data) |first| first[0..size] else "";
    }

    pub fn release(self: *View) void {
        PyBuffer_Release(&self.buffer);
    }
};

/// Refused where the object has none, so that the function in Python words the error.
pub fn view(object: *Object) Error!View {
    var result: View = undefined;
    if (PyObject_GetBuffer(object, &result.buffer, 0) < 0) {
        PyErr_Clear();
        return error.Refused;
    }
    return result;
}

/// New references, if none of them failed; else those that are there are dropped.
pub fn all(comptime count: usize, parts: [count]Error!*Object) Error![count]*Object {
    var there: [count]*Object = undefined;
    var size: usize = 0;
    var failure: ?Error = null;
    for (parts) |part| {
        if (part) |object| {
            there[size] = object;
            size += 1;
        } else |reason| failure = reason;
    }
    const reason = failure orelse return there;
    for (there[0..size]) |object| drop(object);
    return reason;
}

/// A tuple of new references, if none of them failed.
pub fn gathered(comptime count: usize, parts: [count]Error!*Object) Error!*Object {
    return tuple(&try all(count, parts));
}

/// A new tuple of new references, which it takes over.
pub fn tuple(items: []const *Object) Error!*Object {
    const result = PyTuple_New(@intCast(items.len)) orelse {
        for (items) |item| drop(item);
        return error.Raised;
    };
    for (items, 0..) |item, index| _ = PyTuple_SetItem(result, @intCast(index), item);
    return result;
}

/// The type of an object, borrowed.
pub fn class_of(object: *Object) *Object {
    return @ptrCast(@alignCast(object.type));
}

/// A new instance of a subclass of tuple, of new references, if none of them failed.
pub fn record(class: *Object, comptime count: usize, parts: [count]Error!*Object) Error!*Object {
    const items = try all(count, parts);
    errdefer for (items) |item| drop(item);
    if (!is(class, .class) or PyType_GetFlags(@ptrCast(class)) & @intFromEnum(Kind.tuple) == 0) return error.Refused;
    const object = try made(PyType_GenericAlloc(@ptrCast(class), count));
    for (items, 0..) |item, index| _ = PyTuple_SetItem(object, @intCast(index), item);
    return object;
}

/// A new reference to an object's attribute.
pub fn attribute(object: *Object, name: *Object) Error!*Object {
    return made(PyObject_GetAttr(object, name));
}

/// A new instance of a class, with the attributes of these names.
pub fn instance(class: *Object, names: Sequence, values: []const *Object) Error!*Object {
    if (!is(class, .class) or names.size != values.len) return error.Refused;
    const object = try made(PyType_GenericAlloc(@ptrCast(class), 0));
    errdefer drop(object);
    for (values, 0..) |value, index| try set_field(object, try names.at(index), value);
    return object;
}

/// Set an attribute, of an object of a frozen class too.
pub fn set_field(object: *Object, name: *Object, value: *Object) Error!void {
    try done(PyObject_GenericSetAttr(object, name, value));
}

/// Whether objects are equal, by Python's ==.
pub fn are_equal(a: *Object, b: *Object) Error!bool {
    const equal = PyObject_RichCompareBool(a, b, 2);
    return if (equal < 0) error.Raised else equal != 0;
}

pub fn boolean(value: bool) Error!*Object {
    return made(PyBool_FromLong(@intFromBool(value)));
}

/// The pairs of a dict that nothing changes meanwhile; they are borrowed.
pub const Pairs = struct {
    dict: *Object,
    place: Size = 0,

    pub fn next(self: *Pairs) ?struct { key: *Object, value: *Object } {
        var key: ?*Object = null;
        var value: ?*Object = null;
        if (PyDict_Next(self.dict, &self.place, &key, &value) == 0) return null;
        return .{ .key = key.?, .value = value.? };
    }
};

/// The item of a dict under a key, borrowed; null where there is none.
pub fn value_in(dict: *Object, key: *Object) Error!?*Object {
    const found = PyDict_GetItemWithError(dict, key);
    return if (found == null and PyErr_Occurred() != null) error.Raised else found;
}

/// Whether a set or another container has an item.
pub fn has(container: *Object, object: *Object) Error!bool {
    const found = PySequence_Contains(container, object);
    return if (found < 0) error.Raised else found != 0;
}

/// Set an item of a dict to a new reference, which it takes over.
pub fn put(dict: *Object, key: *Object, value: Error!*Object) Error!void {
    const object = try value;
    defer drop(object);
    try done(PyDict_SetItem(dict, key, object));
}
