//! Types of the core in the form in which people write them.

/// `#[serde(with = "selector")]`: a selector in Prometheus's notation.
pub(crate) mod selector {
    use aiops_core::Selector;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(
        selector: &Selector,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(selector)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Selector, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// `#[serde(with = "selectors")]`: several of them.
pub(crate) mod selectors {
    use aiops_core::Selector;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(
        selectors: &[Selector],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(selectors.iter().map(ToString::to_string))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Selector>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let selectors = texts
            .iter()
            .map(|text| text.parse().map_err(D::Error::custom));
        selectors.collect()
    }
}
