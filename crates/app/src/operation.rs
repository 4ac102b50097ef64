//! What there is to be allowed, and which role may do it where: the rules are one pure function, [`reach`].

use bellwire_domain::Role;

/// What permissions are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Creating, listing and revoking keys.
    KeyManage,
    /// Registering, listing and deleting clients of published APIs.
    ClientManage,
    /// Reading contracts.
    ContractRead,
    /// Loading contracts anew.
    ContractReload,
    /// Giving a contract new keys.
    ContractKeyRotate,
    /// Creating, changing, listing and deleting accounts.
    AccountManage,
    /// Listing all accounts.
    AccountList,
    /// Reading one account.
    AccountRead,
    /// Reading endpoints.
    EndpointRead,
    /// Creating, changing, testing and deleting endpoints.
    EndpointChange,
    /// Publishing events.
    EventPublish,
    /// Reading the log of events.
    EventRead,
    /// Reading the payloads of events, the requests that carried them, and what was answered.
    PayloadRead,
    /// Putting resources.
    ResourcePut,
    /// Reading resources.
    ResourceRead,
    /// Reading deliveries.
    DeliveryRead,
    /// Sending a delivery again.
    DeliveryRetry,
    /// Acknowledging and resolving incidents.
    IncidentChange,
    /// Reading the audit log.
    AuditRead,
    /// Reading who was told about somebody, and erasures and holds.
    DisclosureRead,
    /// Erasing what is about somebody, and placing and lifting holds.
    SubjectManage,
    /// Reading how the system is: its store, who shares it, what waits.
    SystemRead,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::KeyManage,
        Self::ClientManage,
        Self::ContractRead,
        Self::ContractReload,
        Self::ContractKeyRotate,
        Self::AccountManage,
        Self::AccountList,
        Self::AccountRead,
        Self::EndpointRead,
        Self::EndpointChange,
        Self::EventPublish,
        Self::EventRead,
        Self::PayloadRead,
        Self::ResourcePut,
        Self::ResourceRead,
        Self::DeliveryRead,
        Self::DeliveryRetry,
        Self::IncidentChange,
        Self::AuditRead,
        Self::DisclosureRead,
        Self::SubjectManage,
        Self::SystemRead,
    ];

    /// Whether it changes anything.
    pub const fn changes(self) -> bool {
        match self {
            Self::ContractRead
            | Self::AccountList
            | Self::AccountRead
            | Self::EndpointRead
            | Self::EventRead
            | Self::PayloadRead
            | Self::ResourceRead
            | Self::DeliveryRead
            | Self::AuditRead
            | Self::DisclosureRead
            | Self::SystemRead => false,
            Self::KeyManage
            | Self::ClientManage
            | Self::ContractReload
            | Self::ContractKeyRotate
            | Self::AccountManage
            | Self::EndpointChange
            | Self::EventPublish
            | Self::ResourcePut
            | Self::DeliveryRetry
            | Self::IncidentChange
            | Self::SubjectManage => true,
        }
    }
}

/// How far a role reaches in an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All accounts.
    Everywhere,
    /// The key's own account; others do not exist for it.
    OwnAccount,
    /// Not at all.
    Nowhere,
}

/// The rules.
pub const fn reach(role: Role, operation: Operation) -> Reach {
    match (role, operation) {
        (Role::Admin, _)
        | (
            Role::Publisher,
            Operation::EventPublish | Operation::ResourcePut | Operation::ResourceRead | Operation::ContractRead,
        )
        | (
            Role::Auditor,
            Operation::AuditRead
            | Operation::DisclosureRead
            | Operation::ContractRead
            | Operation::AccountList
            | Operation::AccountRead
            | Operation::EndpointRead
            | Operation::EventRead
            | Operation::DeliveryRead
            | Operation::SystemRead,
        ) => Reach::Everywhere,
        (
            Role::Consumer,
            Operation::ContractRead
            | Operation::AccountRead
            | Operation::EndpointRead
            | Operation::EndpointChange
            | Operation::EventRead
            | Operation::PayloadRead
            | Operation::ResourceRead
            | Operation::DeliveryRead
            | Operation::DeliveryRetry
            | Operation::IncidentChange,
        ) => Reach::OwnAccount,
        (
            Role::Consumer,
            Operation::KeyManage
            | Operation::ClientManage
            | Operation::ContractReload
            | Operation::ContractKeyRotate
            | Operation::AccountManage
            | Operation::AccountList
            | Operation::EventPublish
            | Operation::ResourcePut
            | Operation::AuditRead
            | Operation::DisclosureRead
            | Operation::SubjectManage
            | Operation::SystemRead,
        )
        | (
            Role::Publisher,
            Operation::KeyManage
            | Operation::ClientManage
            | Operation::ContractReload
            | Operation::ContractKeyRotate
            | Operation::AccountManage
            | Operation::AccountList
            | Operation::AccountRead
            | Operation::EndpointRead
            | Operation::EndpointChange
            | Operation::EventRead
            | Operation::PayloadRead
            | Operation::DeliveryRead
            | Operation::DeliveryRetry
            | Operation::IncidentChange
            | Operation::AuditRead
            | Operation::DisclosureRead
            | Operation::SubjectManage
            | Operation::SystemRead,
        )
        | (
            Role::Auditor,
            Operation::KeyManage
            | Operation::ClientManage
            | Operation::ContractReload
            | Operation::ContractKeyRotate
            | Operation::AccountManage
            | Operation::EndpointChange
            | Operation::EventPublish
            | Operation::PayloadRead
            | Operation::ResourcePut
            | Operation::ResourceRead
            | Operation::DeliveryRetry
            | Operation::IncidentChange
            | Operation::SubjectManage,
        ) => Reach::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line per operation: admin, publisher, consumer, auditor. `+` everywhere, `o` own account, `-` nowhere.
    const MATRIX: [(Operation, &str); 22] = [
        (Operation::KeyManage, "+---"),
        (Operation::ClientManage, "+---"),
        (Operation::ContractRead, "++o+"),
        (Operation::ContractReload, "+---"),
        (Operation::ContractKeyRotate, "+---"),
        (Operation::AccountManage, "+---"),
        (Operation::AccountList, "+--+"),
        (Operation::AccountRead, "+-o+"),
        (Operation::EndpointRead, "+-o+"),
        (Operation::EndpointChange, "+-o-"),
        (Operation::EventPublish, "++--"),
        (Operation::EventRead, "+-o+"),
        (Operation::PayloadRead, "+-o-"),
        (Operation::ResourcePut, "++--"),
        (Operation::ResourceRead, "++o-"),
        (Operation::DeliveryRead, "+-o+"),
        (Operation::DeliveryRetry, "+-o-"),
        (Operation::IncidentChange, "+-o-"),
        (Operation::AuditRead, "+--+"),
        (Operation::DisclosureRead, "+--+"),
        (Operation::SubjectManage, "+---"),
        (Operation::SystemRead, "+--+"),
    ];

    #[test]
    fn the_matrix() {
        assert_eq!(MATRIX.map(|(operation, _)| operation), Operation::ALL);
        for (operation, expected) in MATRIX {
            let line: String = Role::ALL
                .iter()
                .map(|role| match reach(*role, operation) {
                    Reach::Everywhere => '+',
                    Reach::OwnAccount => 'o',
                    Reach::Nowhere => '-',
                })
                .collect();
            assert_eq!(line, expected, "{operation:?}");
        }
    }
}
