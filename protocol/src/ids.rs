//! Identifiers as distinct types: users, requests, outgoing calls, sessions, grants.
//!
//! What holds here: no identifier contains an address or a name, each has one text form, and reading that form
//! back either yields the same value or fails. Nothing here draws random bytes; callers pass them in.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::digest;
use crate::time::UnixMs;

/// What is wrong with the text of an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedId;

impl std::fmt::Display for MalformedId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("malformed identifier")
    }
}

impl std::error::Error for MalformedId {}

macro_rules! sixteen_byte_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Wraps bytes that were drawn, digested or stored elsewhere.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The raw bytes, for storage keys and associated data.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
                    <[u8; 16]>::try_from(bytes.as_slice())
                        .map(Self)
                        .map_err(|_| serde::de::Error::custom(MalformedId))
                }
            }
        }
    };
}

macro_rules! hexadecimal_text_form {
    ($name:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&digest::to_hex(&self.0))
            }
        }

        impl std::str::FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                // One text form only: upper case is refused, so that equal identifiers have equal texts.
                if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return Err(MalformedId);
                }
                let bytes = digest::from_hex(text).ok_or(MalformedId)?;
                <[u8; 16]>::try_from(bytes.as_slice()).map(Self).map_err(|_| MalformedId)
            }
        }
    };
}

sixteen_byte_id! {
    /// Names one person and, as text, that person's object: 32 hexadecimal digits.
    ///
    /// It is a digest of stable directory identifiers, never of an address, which can change hands.
    UserKey
}
hexadecimal_text_form!(UserKey);

impl UserKey {
    /// The key of a person who signed in with Microsoft: a digest of tenant id and object id.
    ///
    /// The two claims are the only stable pair (Microsoft identity platform, "ID token claims reference").
    /// They are lower-cased, because Entra ID treats identifiers as case-insensitive.
    #[must_use]
    pub fn from_microsoft(tenant_id: &str, object_id: &str) -> Self {
        let tenant = tenant_id.to_ascii_lowercase();
        let object = object_id.to_ascii_lowercase();
        Self(digest::first_16(&digest::sha256_of_parts(&[
            b"m365-mcp-server/user-key/microsoft/v1",
            tenant.as_bytes(),
            object.as_bytes(),
        ])))
    }

    /// The key of a person whom Cloudflare Access knows: a digest of the issuer and of the subject there, in a domain of
    /// its own, so that no pair of Microsoft's ever has the same key.
    #[must_use]
    pub fn from_access(issuer: &str, subject: &str) -> Self {
        Self(digest::first_16(&digest::sha256_of_parts(&[
            b"m365-mcp-server/user-key/access/v1",
            issuer.as_bytes(),
            subject.as_bytes(),
        ])))
    }
}

sixteen_byte_id! {
    /// Names one permission that a person gave to one client: 32 hexadecimal digits.
    GrantId
}
hexadecimal_text_form!(GrantId);

impl GrantId {
    /// What stands in the place of a grant where Access is the authorization server: one for each person, because an
    /// assertion names no client.
    #[must_use]
    pub fn of_perimeter(user: &UserKey) -> Self {
        let domain = b"m365-mcp-server/grant/perimeter/v1";
        Self(digest::first_16(&digest::sha256_of_parts(&[domain, user.as_bytes()])))
    }
}

sixteen_byte_id! {
    /// Names one MCP session of the older protocol revisions: 32 hexadecimal digits.
    ///
    /// The text consists of visible ASCII only, as `Mcp-Session-Id` requires (MCP 2025-11-25, basic/transports).
    SessionId
}
hexadecimal_text_form!(SessionId);

sixteen_byte_id! {
    /// One link of a ledger's chain, or a signature under the chain's key: 32 hexadecimal digits.
    ChainMark
}
hexadecimal_text_form!(ChainMark);

#[expect(clippy::derivable_impls, reason = "the other identifiers must have no default")]
impl Default for ChainMark {
    fn default() -> Self {
        Self([0; 16])
    }
}

sixteen_byte_id! {
    /// The keyed digest of an address, by which a person is found and from which the address is not: 32 hexadecimal
    /// digits.
    AddressMark
}
hexadecimal_text_form!(AddressMark);

sixteen_byte_id! {
    /// Names one request to the server, for the ledger, the logs, AI Gateway and Microsoft Graph alike.
    ///
    /// The text is a UUID of version 8 (RFC 9562, section 5.8): 48 bits of Unix milliseconds, so that keys sort
    /// by time, 40 bits of the user key, so that an operator who has only the identifier can find the object,
    /// and 34 random bits.
    RequestId
}

impl RequestId {
    /// Builds an identifier from its parts; `random` supplies the unpredictable bits.
    #[must_use]
    pub fn new(now: UnixMs, user: &UserKey, random: [u8; 5]) -> Self {
        let [_, _, m0, m1, m2, m3, m4, m5] = now.0.to_be_bytes();
        let [u0, u1, u2, u3, u4, ..] = *user.as_bytes();
        let [r0, r1, r2, r3, r4] = random;
        let bytes = [m0, m1, m2, m3, m4, m5, r0, r1, r2, u0, u1, u2, u3, u4, r3, r4];
        Self(*Uuid::new_v8(bytes).as_bytes())
    }

    /// The smallest identifier that a request at `at` can have, as the start of a range of keys.
    #[must_use]
    pub fn first_at(at: UnixMs) -> Self {
        let [_, _, m0, m1, m2, m3, m4, m5] = at.0.to_be_bytes();
        Self([m0, m1, m2, m3, m4, m5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    /// The next possible identifier, as the start of the range behind this one.
    #[must_use]
    pub const fn successor(&self) -> Self {
        Self(u128::from_be_bytes(self.0).saturating_add(1).to_be_bytes())
    }

    /// The millisecond in which the identifier was made.
    #[must_use]
    pub fn created_at(&self) -> UnixMs {
        let [m0, m1, m2, m3, m4, m5, ..] = self.0;
        UnixMs(u64::from_be_bytes([0, 0, m0, m1, m2, m3, m4, m5]))
    }

    /// Whether this identifier carries the given user's 40 bits.
    #[must_use]
    pub fn belongs_to(&self, user: &UserKey) -> bool {
        self.0.get(9..14) == user.as_bytes().get(..5)
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", Uuid::from_bytes(self.0).hyphenated())
    }
}

impl std::str::FromStr for RequestId {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let uuid = Uuid::try_parse(text).map_err(|_| MalformedId)?;
        if uuid.get_version_num() == 8 { Ok(Self(*uuid.as_bytes())) } else { Err(MalformedId) }
    }
}

/// Names one outgoing call: the request that it serves and its place in that request's sequence of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId {
    /// The ledger entry that the call belongs to.
    pub request: RequestId,
    /// Tells the calls of one entry apart; a retry is a new call with a larger number. After a recovery it goes on at
    /// another place, so that a late answer to a call of the former core belongs to none of the new one.
    pub sequence: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> UserKey {
        UserKey::from_microsoft(
            "11111111-2222-4333-8444-555555555555",
            "aaaa0000-0000-4000-8000-00000000000a",
        )
    }

    #[test]
    fn a_user_key_ignores_the_case_of_directory_identifiers() {
        assert_eq!(UserKey::from_microsoft("AB", "CD"), UserKey::from_microsoft("ab", "cd"));
        assert_ne!(UserKey::from_microsoft("ab", "cd"), UserKey::from_microsoft("abc", "d"));
    }

    #[test]
    fn request_ids_sort_by_time_and_carry_the_user() {
        let early = RequestId::new(UnixMs(1_000), &user(), [0xff; 5]);
        let late = RequestId::new(UnixMs(1_001), &user(), [0; 5]);
        assert!(early < late);
        assert!(RequestId::first_at(UnixMs(1_000)) <= early);
        assert_eq!(late.created_at(), UnixMs(1_001));
        assert!(early.belongs_to(&user()));
        assert!(!early.belongs_to(&UserKey::from_bytes([9; 16])));
    }

    #[test]
    fn request_ids_are_version_8_uuids_and_round_trip() {
        let id = RequestId::new(UnixMs(1_767_323_045_006), &user(), [1, 2, 3, 4, 5]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("0190163d-8694-739b-aea5-966c26f8ad91".parse::<RequestId>(), Err(MalformedId));
    }

    #[test]
    fn the_keys_of_access_and_of_microsoft_are_apart() {
        let key = UserKey::from_access("https://a.cloudflareaccess.com", "s");
        for other in [
            UserKey::from_microsoft("https://a.cloudflareaccess.com", "s"),
            UserKey::from_access("https://b.cloudflareaccess.com", "s"),
            UserKey::from_access("https://a.cloudflareaccess.com", "S"),
            UserKey::from_access("https://a.cloudflareaccess.coms", ""),
        ] {
            assert_ne!(key, other);
        }
        assert_ne!(GrantId::of_perimeter(&key).as_bytes(), key.as_bytes());
    }

    #[test]
    fn identifiers_have_one_text_form() {
        let key = user();
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.to_string().to_uppercase().parse::<UserKey>(), Err(MalformedId));
    }
}
