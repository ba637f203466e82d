//! The realistic tenant.

use crate::world::World;

/// Fills it.
pub fn fill(_world: &mut World, _now_ms: u64) {}
