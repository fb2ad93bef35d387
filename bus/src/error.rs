//! Errors of the bus, by what the caller can do about them.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// Why Kafka did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Failed for now: the same call may succeed later.
    #[error("{what}: {source}")]
    Retry {
        /// What was being done, on which topic.
        what: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This client is of no more use; whoever owns it has to start over.
    #[error("{what}: {source}")]
    Fatal {
        /// What was being done, on which topic.
        what: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Will not work until somebody changes settings, rights or topics.
    #[error("{what}")]
    Refused {
        /// What is wrong, on which topic, and what to do.
        what: String,
    },
}

impl BusError {
    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self::Refused { what: what.into() }
    }

    pub(crate) fn fatal(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Fatal { what: what.into(), source: source.into() }
    }

    pub(crate) fn retry(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Retry { what: what.into(), source: source.into() }
    }

    /// Sorts a client error by its code.
    pub(crate) fn of(what: impl Into<String>, error: KafkaError) -> Self {
        // Its words repeat the value, which may be a secret.
        if let KafkaError::ClientConfig(_, _, property, _) = &error {
            let what = what.into();
            return Self::refused(format!("{what}: the client does not take `{property}` so"));
        }
        match error.rdkafka_error_code() {
            Some(code) => Self::of_code(what, code),
            None => Self::fatal(what, error),
        }
    }

    /// Sorts an error code.
    pub(crate) fn of_code(what: impl Into<String>, code: Code) -> Self {
        let what = what.into();
        match code {
            _ if needs_an_operator(code) => Self::refused(format!("{what}: {}", explain(code))),
            Code::Fatal | Code::CriticalSystemResource | Code::Fenced => Self::fatal(what, code),
            _ => Self::retry(what, code),
        }
    }
}

/// Errors that no amount of waiting heals.
pub(crate) fn needs_an_operator(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::Authentication
            | Code::SSL
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::InvalidTopic
            | Code::InvalidPartitions
            | Code::InvalidReplicationFactor
            | Code::PolicyViolation
            | Code::UnsupportedVersion
    )
}

fn explain(code: Code) -> String {
    let fix = match code {
        Code::TopicAuthorizationFailed => "grant this principal Read/Write/Describe on the topic",
        Code::GroupAuthorizationFailed => "grant this principal Read on the consumer group",
        Code::ClusterAuthorizationFailed => "grant this principal the cluster operation",
        Code::Authentication | Code::SaslAuthenticationFailed => "check the user name and password",
        Code::SSL => "check `security.protocol`, `ssl.ca.location` and the cluster's certificate",
        Code::UnsupportedSASLMechanism => "choose a sasl.mechanism the broker offers",
        _ => "change the request or the cluster",
    };
    format!("{code}; {fix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_the_caller_can_do() {
        let of = |code| BusError::of_code("write to topic plays", code);
        assert!(matches!(of(Code::BrokerTransportFailure), BusError::Retry { .. }));
        assert!(matches!(of(Code::Fatal), BusError::Fatal { .. }));
        let refused = of(Code::TopicAuthorizationFailed);
        assert!(matches!(refused, BusError::Refused { .. }));
        let text = refused.to_string();
        assert!(text.contains("topic plays") && text.contains("grant"), "{text}");
    }
}
