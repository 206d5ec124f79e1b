//! Identifiers: 16 random bytes, written as 26 characters of lower-case base 32 (no look-alikes, no case to lose).

use core::fmt;
use core::str::FromStr;

use data_encoding::BASE32_NOPAD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is no identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: 26 characters a-z and 2-7 are expected")]
pub struct IdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        /// As text where people may read it, as bytes inside tokens.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
                } else {
                    <[u8; 16]>::deserialize(deserializer).map(Self)
                }
            }
        }

        impl $name {
            /// An identifier of these random bytes.
            #[must_use]
            pub const fn new(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| IdError)?;
                bytes.try_into().map(Self).map_err(|_| IdError)
            }
        }
    };
}

id! {
    /// One answered decide request.
    DecisionId
}
id! {
    /// One visitor, known or not.
    VisitorId
}
id! {
    /// A customer, as shared records name them. Only their own object knows whose it is: when that is erased, nobody does.
    PersonId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_what_they_write_and_refuse_the_rest() {
        let id = DecisionId::new([7; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(serde_json::from_str::<DecisionId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        assert_eq!(postcard::to_stdvec(&id).unwrap().len(), 16);
        for wrong in ["", "a", "0000", &"a".repeat(200), "äöü"] {
            assert_eq!(wrong.parse::<DecisionId>(), Err(IdError), "{wrong}");
        }
    }
}
