//! Why an attempt is made at its time.

crate::words! {
    /// What an attempt was made by.
    pub enum Trigger {
        /// The schedule: it was the first, or it was due again.
        Automatic = "automatic",
        /// Somebody, who asked that the delivery be sent again.
        Manual = "manual",
    }
}
