//! What an API key may do.

crate::words! {
    /// What an API key may do.
    pub enum Role {
        /// Everything.
        Admin = "admin",
        /// Events and resources.
        Publisher = "publisher",
        /// One account: its endpoints, deliveries and events.
        Consumer = "consumer",
        /// Reading the audit log.
        Auditor = "auditor",
    }
}
