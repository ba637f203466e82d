//! Random bytes of the platform.

/// Fills an array from the platform's cryptographic generator.
///
/// # Errors
/// A sentence when the platform has none, which it always has.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], &'static str> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(|_| "the platform gave no random bytes")?;
    Ok(bytes)
}
