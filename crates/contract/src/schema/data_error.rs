//! What is wrong with data.

/// Something in an event's data that does not match its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataError {
    /// Where, as a JSON pointer inside the data; empty for the whole.
    pub pointer: String,
    /// What is wrong, without repeating a value.
    pub message: String,
}
