//! Reading a `Connection`: what it leads to in the open, secrets only as references.

use std::collections::BTreeMap;
use std::path::{Component, PathBuf};

use millrace_events::RouteName;

use super::fields::Fields;
use super::mistake::{NO_HINT, Report, Spot};
use super::yaml::Node;
use super::{ConnectionKind, ConnectionSpec, SecretRef};

pub(crate) const SPEC: [&str; 3] = ["kafka", "http", "secrets"];
pub(crate) const KAFKA: [&str; 2] = ["bootstrap", "properties"];
pub(crate) const HTTP: [&str; 1] = ["headers"];
const MAX_VALUE: usize = 8192;
/// How the names of variables begin that hold secrets of connections. Whoever may declare a
/// connection chooses where it leads, so no other variable of the platform is sent anywhere.
const VARIABLE: &str = "MILLRACE_SECRET_";

/// Reads the `spec` of connection `name`.
pub(crate) fn read(
    name: Option<RouteName>,
    spec: &Node,
    report: &mut Report,
) -> Option<ConnectionSpec> {
    let fields = Fields::open(spec, "the connection's spec", &SPEC, report)?;
    let (kind, check): (_, NameCheck) = match (fields.get("kafka"), fields.get("http")) {
        (Some(node), None) => (read_kafka(node, report), property_name),
        (None, Some(node)) => (read_http(node, report), header_name),
        (None, None) => {
            let hint = "write `kafka: { bootstrap: HOST:PORT }` or `http: { headers: {…} }`";
            report.add(spec.at, "the connection leads nowhere", hint);
            return None;
        }
        (Some(_), Some(node)) => {
            report.add(node.at, "the connection leads to two things", "write one of each");
            return None;
        }
    };
    let secrets = match fields.get("secrets") {
        None => BTreeMap::new(),
        Some(node) => read_secrets(node, check, kind.as_ref(), report),
    };
    Some(ConnectionSpec { name: name?, kind: kind?, secrets })
}

type NameCheck = fn(&str, Spot, &mut Report) -> bool;

fn read_kafka(node: &Node, report: &mut Report) -> Option<ConnectionKind> {
    let fields = Fields::open(node, "`kafka`", &KAFKA, report)?;
    let bootstrap = fields.need("bootstrap", report).and_then(|node| read_bootstrap(node, report));
    let properties = match fields.get("properties") {
        None => BTreeMap::new(),
        Some(node) => open_values("`properties`", node, property_name, report)?,
    };
    Some(ConnectionKind::Kafka { bootstrap: bootstrap?, properties })
}

fn read_http(node: &Node, report: &mut Report) -> Option<ConnectionKind> {
    let fields = Fields::open(node, "`http`", &HTTP, report)?;
    let headers = match fields.get("headers") {
        None => BTreeMap::new(),
        Some(node) => open_values("`headers`", node, header_name, report)?,
    };
    Some(ConnectionKind::Http { headers })
}

fn read_bootstrap(node: &Node, report: &mut Report) -> Option<String> {
    let text = node.text(report)?;
    let fits = |address: &str| {
        address.trim().rsplit_once(':').is_some_and(|(host, port)| {
            let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
            let known = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
            !host.is_empty() && host.chars().all(known) && port.parse::<u16>().is_ok_and(|p| p > 0)
        })
    };
    if let Some(bad) = text.split(',').find(|address| !fits(address)) {
        let message = format!("`{}` is not an address", bad.trim());
        report.add(node.at, message, "write `host:9092`, several with commas between");
        return None;
    }
    Some(text.to_owned())
}

/// Properties or headers whose values everybody may see.
fn open_values(
    what: &'static str,
    node: &Node,
    check: NameCheck,
    report: &mut Report,
) -> Option<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for (name, at, value) in node.entries(what, report)? {
        if !check(name, at, report) {
            continue;
        }
        let Some(text) = value.loose_text(report) else { continue };
        if is_secret(name) || is_login(text) {
            let message = format!("`{name}` is a secret, which does not belong into a manifest");
            let hint = format!("write `secrets: {{ {name}: env:{VARIABLE}… }}` or `file:/PATH`");
            report.add(at, message, hint);
            continue;
        }
        if text.starts_with("env:") || text.starts_with("file:") {
            let message = format!("`{name}` refers to a secret");
            report.add(value.at, message, format!("move it to `secrets: {{ {name}: … }}`"));
            continue;
        }
        if text.len() > MAX_VALUE || text.chars().any(char::is_control) {
            let hint = format!("one line of at most {MAX_VALUE} bytes");
            report.add(value.at, format!("the value of `{name}` cannot be sent"), hint);
        }
        values.insert(name.to_owned(), text.to_owned());
    }
    Some(values)
}

fn read_secrets(
    node: &Node,
    check: NameCheck,
    kind: Option<&ConnectionKind>,
    report: &mut Report,
) -> BTreeMap<String, SecretRef> {
    let mut secrets = BTreeMap::new();
    for (name, at, value) in node.entries("`secrets`", report).unwrap_or_default() {
        let open = match kind {
            Some(
                ConnectionKind::Kafka { properties: open, .. }
                | ConnectionKind::Http { headers: open },
            ) => Some(open),
            None => None,
        };
        if open.is_some_and(|open| open.keys().any(|k| k.eq_ignore_ascii_case(name))) {
            report.add(at, format!("`{name}` is also given in the open"), "keep one of them");
        }
        if check(name, at, report)
            && may_be_secret(name, kind, at, report)
            && let Some(reference) = read_reference(value, report)
        {
            secrets.insert(name.to_owned(), reference);
        }
    }
    secrets
}

/// What Kafka's client does not accept it repeats in its errors, unless it expects a secret.
fn may_be_secret(name: &str, kind: Option<&ConnectionKind>, at: Spot, report: &mut Report) -> bool {
    let kafka = matches!(kind, Some(ConnectionKind::Kafka { .. }));
    let fits = !kafka || is_secret(name) || name.rsplit('.').next() == Some("pem");
    if !fits {
        report.add(at, format!("`{name}` holds no secret"), "move it to `properties`");
    }
    fits
}

/// Reads `env:NAME` or `file:/path`. The text may be the secret itself, so no message repeats it.
fn read_reference(node: &Node, report: &mut Report) -> Option<SecretRef> {
    const HINT: &str = "write `env:MILLRACE_SECRET_…` or `file:/absolute/path`";
    let text = node.loose_text(report)?;
    if let Some(name) = text.strip_prefix("env:") {
        let own = name.strip_prefix(VARIABLE).filter(|own| !own.is_empty());
        if own.is_some_and(|own| own.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')) {
            return Some(SecretRef::Env(name.to_owned()));
        }
        let message = format!("not the name of a variable that begins with `{VARIABLE}`");
        report.add(node.at, message, HINT);
        return None;
    }
    let Some(path) = text.strip_prefix("file:").map(PathBuf::from) else {
        let message = "a secret is given by reference, never by its value";
        report.add(node.at, message, HINT);
        return None;
    };
    let plain = |c: Component<'_>| matches!(c, Component::RootDir | Component::Normal(_));
    if path.is_absolute() && path.components().all(plain) && !text.contains('\0') {
        return Some(SecretRef::File(path));
    }
    report.add(node.at, "not an absolute path without `..`", HINT);
    None
}

/// Whether a property or header of that name holds a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 12] = [
        "password",
        "passwd",
        "passphrase",
        "token",
        "secret",
        "authorization",
        "credential",
        "api-key",
        "api_key",
        "apikey",
        "cookie",
        "private",
    ];
    const OPEN: [&str; 4] = [
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.kerberos.service.name",
        "sasl.oauthbearer.method",
    ];
    let name = name.to_ascii_lowercase();
    if OPEN.contains(&name.as_str()) {
        return false;
    }
    name.starts_with("sasl.")
        || (name.starts_with("ssl.key") && name.rsplit('.').next() == Some("pem"))
        || PARTS.iter().any(|part| name.contains(part))
}

/// Whether the value is what a client logs in with, whatever the name says.
fn is_login(value: &str) -> bool {
    let scheme = value.split(' ').next().unwrap_or_default();
    value.contains(' ') && ["bearer", "basic"].contains(&scheme.to_ascii_lowercase().as_str())
}

fn property_name(name: &str, at: Spot, report: &mut Report) -> bool {
    /// What the platform sets itself: a change would lose or double events.
    const OURS: [&str; 11] = [
        "group.id",
        "group.instance.id",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "transactional.id",
        "enable.idempotence",
        "isolation.level",
        "acks",
        "request.required.acks",
        "enable.partition.eof",
    ];
    /// What would load code or run commands in the worker.
    const CODE: [&str; 5] = [
        "plugin.library.paths",
        "ssl.engine.location",
        "ssl.engine.id",
        "ssl.providers",
        "sasl.kerberos.kinit.cmd",
    ];
    let fits = !name.is_empty()
        && name.len() <= 100
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c));
    if !fits {
        report.add(at, format!("`{name}` is no property of Kafka"), "such as `security.protocol`");
    } else if matches!(name, "bootstrap.servers" | "metadata.broker.list") {
        report.add(at, format!("`{name}` has a field of its own"), "write `bootstrap: HOST:PORT`");
    } else if OURS.contains(&name) {
        report.add(at, format!("`{name}` is set by Millrace"), "remove it");
    } else if CODE.contains(&name) {
        report.add(at, format!("`{name}` would run foreign code"), "remove it");
    } else {
        return true;
    }
    false
}

fn header_name(name: &str, at: Spot, report: &mut Report) -> bool {
    const OURS: [&str; 6] =
        ["host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade"];
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || name.len() > 100 || !name.chars().all(token) {
        report.add(at, format!("`{name}` is not a valid header name"), NO_HINT);
        return false;
    }
    if OURS.contains(&name.to_ascii_lowercase().as_str()) {
        report.add(at, format!("`{name}` is set by Millrace"), "remove it");
        return false;
    }
    true
}
