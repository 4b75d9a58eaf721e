/* A counter with the ABI and the storage layout of a contract in Solidity: slot 0 the number, slot 1 the mapping
 * of changes by address. Numbers are 32 bytes big-endian, as the host has them. */

#include "zvm.h"

typedef struct {
    uint8_t bytes[32];
} word;

static const word LIMIT = {{[29] = 0x0f, [30] = 0x42, [31] = 0x40}}; /* 1,000,000 */
static const word NUMBER_SLOT = {{0}};

enum selector {
    CONSTRUCTOR = 0x5585258d, /* stylus_constructor() */
    GET_LIMIT = 0xaf8214ef, /* LIMIT() */
    GET_NUMBER = 0x8381f58a, /* number() */
    GET_CHANGES = 0x8f7d969e, /* changes(address) */
    SET_NUMBER = 0x3fb5c1cb, /* setNumber(uint256) */
    INCREMENT = 0xd09de08a, /* increment() */
    REFUSE = 0x62c69b80, /* refuse() */
    DIVIDE = 0xf88e9fbf, /* divide(uint256,uint256) */
};

/* keccak256("NumberChanged(address,uint256,uint256)") */
static const uint8_t NUMBER_CHANGED[32] = {
    0x8a, 0x0a, 0xe7, 0x7f, 0xf4, 0x18, 0x3d, 0xe3, 0x8d, 0x23, 0x83, 0x7c, 0xbf, 0xa0, 0xad, 0x4e,
    0xe3, 0xab, 0x54, 0xe2, 0x4c, 0x50, 0x17, 0x06, 0xd5, 0xa9, 0xe3, 0x75, 0xd5, 0xa6, 0xbf, 0xc7,
};

static uint8_t output[100];

static void copy(uint8_t *to, const uint8_t *from, size_t length) {
    while (length--) *to++ = *from++;
}

static bool is_zero(const uint8_t *data, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (data[i]) return false;
    return true;
}

static bool exceeds(const word *a, const word *b) {
    for (size_t i = 0; i < 32; i++)
        if (a->bytes[i] != b->bytes[i]) return a->bytes[i] > b->bytes[i];
    return false;
}

/* Adds one; false where the sum does not fit. */
static bool add_one(word *number) {
    for (size_t i = 32; i-- > 0;)
        if (++number->bytes[i]) return true;
    return false;
}

static word load(const word *slot) {
    word value;
    storage_load_bytes32(slot->bytes, value.bytes);
    return value;
}

static word changes_slot(const uint8_t *address_word) {
    uint8_t preimage[64] = {[63] = 1};
    word slot;
    copy(preimage, address_word, 32);
    native_keccak256(preimage, 64, slot.bytes);
    return slot;
}

static uint32_t result(const word *value) {
    write_result(value->bytes, 32);
    return SUCCESS;
}

static void put_selector(uint32_t selector) {
    for (size_t i = 0; i < 4; i++) output[i] = (uint8_t)(selector >> (24 - 8 * i));
}

static uint32_t revert_empty(void) {
    return REVERTED;
}

static uint32_t panic(uint8_t code) {
    put_selector(0x4e487b71); /* Panic(uint256) */
    output[35] = code;
    write_result(output, 36);
    return REVERTED;
}

static uint32_t refuse(void) {
    static const char message[] = "Counter: refused";
    put_selector(0x08c379a0); /* Error(string) */
    output[35] = 0x20;
    output[67] = sizeof(message) - 1;
    copy(output + 68, (const uint8_t *)message, sizeof(message) - 1);
    write_result(output, 100);
    return REVERTED;
}

static uint32_t set_number(const word *current) {
    if (exceeds(current, &LIMIT)) {
        put_selector(0xc4320af3); /* NumberTooLarge(uint256,uint256) */
        copy(output + 4, current->bytes, 32);
        copy(output + 36, LIMIT.bytes, 32);
        write_result(output, 68);
        return REVERTED;
    }
    uint8_t log[128] = {0};
    uint8_t *sender = log + 32;
    copy(log, NUMBER_CHANGED, 32);
    msg_sender(sender + 12);
    word previous = load(&NUMBER_SLOT);
    copy(log + 64, previous.bytes, 32);
    copy(log + 96, current->bytes, 32);
    emit_log(log, 128, 3);
    storage_cache_bytes32(NUMBER_SLOT.bytes, current->bytes);
    word slot = changes_slot(sender);
    word count = load(&slot);
    if (!add_one(&count)) return panic(0x11);
    storage_cache_bytes32(slot.bytes, count.bytes);
    storage_flush_cache(0);
    return SUCCESS;
}

static uint32_t increment(void) {
    word number = load(&NUMBER_SLOT);
    return add_one(&number) ? set_number(&number) : panic(0x11);
}

static uint32_t divide(word dividend, const word *divisor) {
    if (is_zero(divisor->bytes, 32)) return panic(0x12);
    math_div(dividend.bytes, divisor->bytes);
    return result(&dividend);
}

static uint32_t construct(const word *start) {
    storage_cache_bytes32(NUMBER_SLOT.bytes, start->bytes);
    storage_flush_cache(0);
    return SUCCESS;
}

static uint32_t get_changes(const uint8_t *address_word) {
    if (!is_zero(address_word, 12)) return revert_empty();
    word slot = changes_slot(address_word);
    word count = load(&slot);
    return result(&count);
}

static size_t words_of(uint32_t selector) {
    switch (selector) {
    case DIVIDE: return 2;
    case CONSTRUCTOR:
    case GET_CHANGES:
    case SET_NUMBER: return 1;
    default: return 0;
    }
}

static uint32_t run(uint32_t selector, const word *arguments) {
    word number;
    switch (selector) {
    case CONSTRUCTOR: return construct(arguments);
    case GET_LIMIT: return result(&LIMIT);
    case GET_NUMBER: number = load(&NUMBER_SLOT); return result(&number);
    case GET_CHANGES: return get_changes(arguments->bytes);
    case SET_NUMBER: return set_number(arguments);
    case INCREMENT: return increment();
    case REFUSE: return refuse();
    case DIVIDE: return divide(arguments[0], &arguments[1]);
    default: return NO_SUCH_FUNCTION;
    }
}

EXPORT(user_entrypoint) uint32_t user_entrypoint(size_t length) {
    static uint8_t input[68];
    if (length == 0 && !is_constructing()) return SUCCESS; /* receive() */
    if (length < 4) return NO_SUCH_FUNCTION;
    /* call data may have any length: what is longer than the static buffer goes to the end of memory */
    uint8_t *data = input;
    if (length > sizeof(input)) {
        size_t pages = (length + 65535) / 65536;
        size_t end = __builtin_wasm_memory_grow(0, pages);
        if (end == (size_t)-1) __builtin_trap();
        data = (uint8_t *)(end * 65536);
    }
    read_args(data);
    uint32_t selector = (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
    if ((selector == CONSTRUCTOR) != (is_constructing() != 0)) return NO_SUCH_FUNCTION;
    if (selector != CONSTRUCTOR) {
        word value;
        msg_value(value.bytes);
        if (!is_zero(value.bytes, 32)) return revert_empty();
    }
    if (length < 4 + 32 * words_of(selector)) return revert_empty();
    return run(selector, (const word *)(data + 4));
}

/* Never called: it keeps the import without which a module whose memory can grow is refused. */
EXPORT(mark_used) void mark_used(void) {
    pay_for_memory_grow(0);
}
