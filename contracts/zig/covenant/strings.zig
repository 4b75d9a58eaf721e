//! Texts at compile time. The compiler takes time for each byte of a text each time that the text grows, and for each
//! character of a format: so texts are joined half by half, and numbers written by `decimal`.

/// The parts one after another, with a separator between them.
pub fn joined(comptime separator: []const u8, comptime parts: []const []const u8) []const u8 {
    if (parts.len == 0) return "";
    if (parts.len == 1) return parts[0];
    const half = parts.len / 2;
    return joined(separator, parts[0..half]) ++ separator ++ joined(separator, parts[half..]);
}

/// A number of at least 0 in decimal digits.
pub fn decimal(comptime number: comptime_int) []const u8 {
    const last: []const u8 = &.{'0' + number % 10};
    return if (number < 10) last else decimal(number / 10) ++ last;
}
