//! How clients sign their assertions.

bellwire_domain::words! {
    /// How clients sign.
    pub enum AssertionAlgorithm {
        /// RSA PKCS#1 v1.5 with SHA-384.
        Rs384 = "RS384",
        /// ECDSA over P-384 with SHA-384.
        Es384 = "ES384",
    }
}
