//! `-m mark`: the packet's mark.

use std::fmt;

use crate::value::Invertible;

/// `--mark value[/mask]`: `packet mark & mask == value`.
///
/// Source: iptables 1.8.9, `extensions/libxt_mark.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The value and the mask, in host byte order.
    pub value: Invertible<(u32, u32)>,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" -m mark")?;
        self.value.write_option(f, "--mark")?;
        let (value, mask) = self.value.value();
        write!(f, "{value:#x}")?;
        if *mask == u32::MAX {
            Ok(())
        } else {
            write!(f, "/{mask:#x}")
        }
    }
}
