/// Who sends the ClientHello.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// We do (`a=setup:active`).
    Client,
    /// The peer does (`a=setup:passive`).
    Server,
}
