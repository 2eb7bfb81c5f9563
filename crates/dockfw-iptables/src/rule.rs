//! One rule: the tests of the IP header, further matches in order, and a target.

use std::fmt;

use crate::address::AddressMask;
use crate::r#match::Match;
use crate::name::InterfacePattern;
use crate::target::Target;
use crate::value::{Invertible, Protocol};

/// One rule, without the chain it stands in and without counters.
///
/// Two rules are equal when `iptables -C` would say so: same tests, same matches in the same
/// order, same target. Addresses have the family of the program.
///
/// Source: iptables(8), "PARAMETERS".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Rule {
    /// `-s`; `None` matches every address.
    pub source: Option<Invertible<AddressMask>>,
    /// `-d`; `None` matches every address.
    pub destination: Option<Invertible<AddressMask>>,
    /// `-i`; `None` matches every interface, and packets without one.
    pub in_interface: Option<Invertible<InterfacePattern>>,
    /// `-o`; likewise.
    pub out_interface: Option<Invertible<InterfacePattern>>,
    /// `-p`; `None` matches every protocol.
    pub protocol: Option<Invertible<Protocol>>,
    /// `-f`: the packet is a fragment other than the first; IPv4 only.
    pub fragment: Option<Invertible<()>>,
    /// `-m`, in order; all must match.
    pub matches: Vec<Match>,
    /// `-j` or `-g`; `None` only counts.
    pub target: Option<Target>,
}

impl Rule {
    /// A rule that applies to every packet.
    pub fn new(target: Target) -> Self {
        Self {
            target: Some(target),
            ..Self::default()
        }
    }

    /// Adds `-s`.
    #[must_use]
    pub fn source(mut self, address: impl Into<AddressMask>) -> Self {
        let address = address.into();
        self.source = (!address.is_any()).then_some(Invertible::Is(address));
        self
    }

    /// Adds `! -s`.
    #[must_use]
    pub fn not_source(mut self, address: impl Into<AddressMask>) -> Self {
        self.source = Some(Invertible::Not(address.into()));
        self
    }

    /// Adds `-d`.
    #[must_use]
    pub fn destination(mut self, address: impl Into<AddressMask>) -> Self {
        let address = address.into();
        self.destination = (!address.is_any()).then_some(Invertible::Is(address));
        self
    }

    /// Adds `! -d`.
    #[must_use]
    pub fn not_destination(mut self, address: impl Into<AddressMask>) -> Self {
        self.destination = Some(Invertible::Not(address.into()));
        self
    }

    /// Adds `-i`.
    #[must_use]
    pub fn in_interface(mut self, interface: InterfacePattern) -> Self {
        self.in_interface = Some(Invertible::Is(interface));
        self
    }

    /// Adds `! -i`.
    #[must_use]
    pub fn not_in_interface(mut self, interface: InterfacePattern) -> Self {
        self.in_interface = Some(Invertible::Not(interface));
        self
    }

    /// Adds `-o`.
    #[must_use]
    pub fn out_interface(mut self, interface: InterfacePattern) -> Self {
        self.out_interface = Some(Invertible::Is(interface));
        self
    }

    /// Adds `! -o`.
    #[must_use]
    pub fn not_out_interface(mut self, interface: InterfacePattern) -> Self {
        self.out_interface = Some(Invertible::Not(interface));
        self
    }

    /// Adds `-p`.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(Invertible::Is(protocol));
        self
    }

    /// Adds a match behind the others; a transport match wants [`Rule::protocol`] besides.
    #[must_use]
    pub fn with(mut self, extension: impl Into<Match>) -> Self {
        self.matches.push(extension.into());
        self
    }
}

impl fmt::Display for Rule {
    /// Writes what iptables-save writes behind `-A CHAIN`, with a blank in front of every part.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            source.write_option(f, "-s")?;
            source.value().fmt(f)?;
        }
        if let Some(destination) = &self.destination {
            destination.write_option(f, "-d")?;
            destination.value().fmt(f)?;
        }
        if let Some(interface) = &self.in_interface {
            interface.write_option(f, "-i")?;
            interface.value().fmt(f)?;
        }
        if let Some(interface) = &self.out_interface {
            interface.write_option(f, "-o")?;
            interface.value().fmt(f)?;
        }
        if let Some(protocol) = &self.protocol {
            protocol.write_option(f, "-p")?;
            protocol.value().fmt(f)?;
        }
        match self.fragment {
            Some(Invertible::Is(())) => f.write_str(" -f")?,
            Some(Invertible::Not(())) => f.write_str(" ! -f")?,
            None => {}
        }
        for extension in &self.matches {
            extension.fmt(f)?;
        }
        match &self.target {
            Some(target) => target.fmt(f),
            None => Ok(()),
        }
    }
}
