//! CloudEvents 1.0: the structured envelope, the attributes of binary mode, and what both must
//! hold.

use std::borrow::Cow;
use std::fmt;

use axum::http::HeaderMap;
use bytes::Bytes;
use millrace_events::Header;
use percent_encoding::percent_decode_str;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::text::{Fault, Scalar, Text};

/// Attributes in the order they came, names without prefix.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// Most attributes an event may have.
const MAX_ATTRIBUTES: usize = 64;
/// Longest name of an attribute; the specification asks for 20 and allows more.
const MAX_NAME: usize = 64;

impl<'a> Attributes<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_ref())
    }

    fn push(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) -> Result<(), String> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(plain) {
            let shown: String = name.chars().take(MAX_NAME).collect();
            return Err(format!("attribute `{shown}`: names are lower-case letters and digits"));
        }
        if value.chars().any(char::is_control) {
            return Err(format!("attribute `{name}` holds control characters"));
        }
        if self.get(&name).is_some() {
            return Err(format!("attribute `{name}` is there twice"));
        }
        if self.0.len() == MAX_ATTRIBUTES {
            return Err(format!("more than {MAX_ATTRIBUTES} attributes"));
        }
        self.0.push((name, value));
        Ok(())
    }

    /// What the specification requires of every event.
    fn check(&self) -> Result<(), String> {
        match self.get("specversion") {
            Some("1.0") => {}
            Some(_) => return Err("`specversion` must be \"1.0\"".to_owned()),
            None => return Err("attribute `specversion` is required".to_owned()),
        }
        for name in ["id", "source", "type"] {
            if self.get(name).is_none_or(str::is_empty) {
                return Err(format!("attribute `{name}` is required"));
            }
        }
        if self.get("time").is_some() && self.time_ms().is_none() {
            return Err("attribute `time` must be an RFC 3339 instant".to_owned());
        }
        match self.get("datacontenttype") {
            Some(media) if !is_json(media) => {
                Err("`datacontenttype` must be JSON: streams have columns".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The `time` attribute in milliseconds since the Unix epoch.
    pub(super) fn time_ms(&self) -> Option<i64> {
        let at = chrono::DateTime::parse_from_rfc3339(self.get("time")?).ok()?;
        Some(at.timestamp_millis())
    }

    /// Record headers by the Kafka binding's binary mode; `id` is the event's id.
    pub(super) fn to_headers(&self, id: &Bytes) -> Vec<Header> {
        let copied = |value: &str| Some(Bytes::copy_from_slice(value.as_bytes()));
        let mut headers = Vec::with_capacity(self.0.len() + 1);
        for (name, value) in &self.0 {
            headers.push(match name.as_ref() {
                "id" => Header { name: "ce_id".to_owned(), value: Some(id.clone()) },
                "datacontenttype" => continue,
                name => Header { name: format!("ce_{name}"), value: copied(value) },
            });
        }
        let media = self.get("datacontenttype").unwrap_or("application/json");
        headers.push(Header { name: "content-type".to_owned(), value: copied(media) });
        headers
    }
}

/// Whether `media` is `application/json` or ends in `+json`, whatever its parameters.
pub(super) fn is_json(media: &str) -> bool {
    let essence = media.split(';').next().unwrap_or_default().trim();
    let json = |suffix: &str| {
        let cut = essence.len().checked_sub(suffix.len());
        cut.and_then(|cut| essence.get(cut..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    essence.eq_ignore_ascii_case("application/json")
        || essence.eq_ignore_ascii_case("text/json")
        || json("+json")
}

/// The attributes of a request in binary mode.
pub(super) fn of_headers(headers: &HeaderMap) -> Result<Attributes<'static>, String> {
    let mut attributes = Attributes::default();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("ce-") else { continue };
        let text = value.to_str().map_err(|_| format!("header `ce-{name}` is not ASCII"))?;
        let value = percent_decode_str(text)
            .decode_utf8()
            .map_err(|_| format!("header `ce-{name}` does not decode to UTF-8"))?;
        attributes.push(Cow::Owned(name.to_owned()), Cow::Owned(value.into_owned()))?;
    }
    attributes.check()?;
    Ok(attributes)
}

/// An event in the structured format: its attributes and the text of its data.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) attributes: Attributes<'a>,
    pub(super) data: &'a str,
}

impl<'a> Envelope<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Fault> {
        if !text.starts_with('{') {
            return Err(Fault::whole("a CloudEvent must be a JSON object"));
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let (attributes, data) = Walk
            .deserialize(&mut json)
            .and_then(|parts| json.end().map(|()| parts))
            .map_err(|error| Fault::json(&error))?;
        attributes.check().map_err(Fault::whole)?;
        let data = data.ok_or_else(|| Fault::whole("the event has no `data`"))?;
        Ok(Self { attributes, data })
    }
}

struct Walk;

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = (Attributes<'de>, Option<&'de str>);
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = (Attributes<'de>, Option<&'de str>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvent")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut attributes = Attributes::default();
        let mut data = None;
        while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
            match name.as_ref() {
                "data" if data.is_some() => return Err(A::Error::custom("`data` is there twice")),
                "data" => data = Some(map.next_value::<&'de RawValue>()?.get()),
                "data_base64" => {
                    return Err(A::Error::custom(
                        "`data_base64` is binary; send the event's columns as an object in `data`",
                    ));
                }
                _ => {
                    if let Scalar(Some(value)) = map.next_value::<Scalar<'de>>()? {
                        attributes.push(name, value).map_err(A::Error::custom)?;
                    }
                }
            }
        }
        Ok((attributes, data.filter(|json| *json != "null")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_gives_attributes_and_data_unchanged() {
        let text = r#"{"data": {"a": [1, 2]} ,"specversion":"1.0","id":"\u0041","source":"/s",
            "type":"t","n":7,"b":true,"gone":null}"#;
        let envelope = Envelope::parse(text).expect("valid");
        assert_eq!(envelope.data, r#"{"a": [1, 2]}"#);
        let headers = envelope.attributes.to_headers(&Bytes::from_static(b"A"));
        let shown: Vec<_> = headers
            .iter()
            .map(|h| format!("{}={}", h.name, String::from_utf8_lossy(h.value.as_ref().unwrap())))
            .collect();
        assert_eq!(
            shown,
            [
                "ce_specversion=1.0",
                "ce_id=A",
                "ce_source=/s",
                "ce_type=t",
                "ce_n=7",
                "ce_b=true",
                "content-type=application/json"
            ]
        );
    }

    #[test]
    fn what_the_specification_forbids_is_refused_with_its_reason() {
        let with = |more: &str| {
            let text =
                format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{more}}}"#);
            Envelope::parse(&text).expect_err("refused").message
        };
        assert!(with("").contains("no `data`"));
        assert!(with(r#","data":{},"data":{}"#).contains("twice"));
        assert!(with(r#","id":"2","data":{}"#).contains("twice"));
        assert!(with(r#","data_base64":"AA==""#).contains("data_base64"));
        assert!(with(r#","Bad_Name":"x","data":{}"#).contains("lower-case"));
        assert!(with(r#","x":"a\r\nb","data":{}"#).contains("control"));
        assert!(with(r#","x":{"deep":1},"data":{}"#).contains("expected text"));
        assert!(with(r#","time":"noon","data":{}"#).contains("RFC 3339"));
        assert!(with(r#","datacontenttype":"text/xml","data":{}"#).contains("JSON"));
        assert!(Envelope::parse(r#"{"specversion":"0.3"}"#).is_err());
        assert!(Envelope::parse("[]").is_err());
    }
}
