//! The three ways in which work of the core ends without an answer.

pub const Error = error{
    /// The input is malformed, or beyond what the core takes: the function in Python decides, and words the error.
    Refused,
    /// The limit of the core's memory, or the machine's; treated as Refused.
    OutOfMemory,
    /// A Python exception is set: it is what the caller gets.
    Raised,
};
