//! The second half of `[[network]]`: labels and defaults, the bridge device, families.

use std::net::{IpAddr, Ipv4Addr};

use dockfw_ir::name::IfName;
use dockfw_lower::docker::check::NetworkField;
use dockfw_lower::host::{DEFAULT_BRIDGE, DOCKER_GWBRIDGE, Driver, Family, Network, NetworkFamily};

use super::{DEFAULT_DEVICE, RawNetwork};
use crate::policy::daemon::DaemonReading;
use crate::policy::options::{self, Settings};
use crate::policy::places::NetworkPlaces;
use crate::policy::report::{Draft, Report, Span};

impl RawNetwork {
    /// The network, where its fields stand, and whether a part was left out.
    pub(in crate::policy) fn build(
        mut self,
        daemon: &DaemonReading,
        report: &mut Report<'_>,
    ) -> (Network, NetworkPlaces, bool) {
        let is_default = self.name.as_deref() == Some(DEFAULT_BRIDGE);
        let settings = self.settings(is_default, daemon, report);
        let bridge = self.device(is_default, &settings, report);
        self.check_families(&settings, report);

        let mut fields = Vec::new();
        let mut note = |field, span: Option<Span>| fields.extend(span.map(|span| (field, span)));
        note(
            NetworkField::Bridge,
            bridge.as_ref().and_then(|(_, span)| *span),
        );
        note(NetworkField::Internal, self.internal.map(|(_, span)| span));
        note(
            NetworkField::Subnet(Family::Ipv4),
            self.ipv4_subnet.map(|(_, span)| span),
        );
        note(
            NetworkField::Subnet(Family::Ipv6),
            self.ipv6_subnet.map(|(_, span)| span),
        );
        let mode = NetworkField::GatewayMode;
        note(
            mode(Family::Ipv4),
            settings.gateway_mode_ipv4.map(|(_, span)| span),
        );
        note(
            mode(Family::Ipv6),
            settings.gateway_mode_ipv6.map(|(_, span)| span),
        );

        let mut ipv4 = self.ipv4_subnet.map(|(subnet, _)| NetworkFamily {
            subnet,
            gateway: None,
            gateway_mode: settings
                .gateway_mode_ipv4
                .map(|(mode, _)| mode)
                .unwrap_or_default(),
            host_address: settings.host_ipv4,
        });
        let mut ipv6 = self.ipv6_subnet.map(|(subnet, _)| NetworkFamily {
            subnet,
            gateway: None,
            gateway_mode: settings
                .gateway_mode_ipv6
                .map(|(mode, _)| mode)
                .unwrap_or_default(),
            host_address: settings.host_ipv6,
        });
        for (address, span) in std::mem::take(&mut self.gateways) {
            let (family, added) = match address {
                IpAddr::V4(address) => (
                    Family::Ipv4,
                    ipv4.as_mut()
                        .map(|ipv4| ipv4.gateway.replace(address).is_none()),
                ),
                IpAddr::V6(address) => (
                    Family::Ipv6,
                    ipv6.as_mut()
                        .map(|ipv6| ipv6.gateway.replace(address).is_none()),
                ),
            };
            let message = match added {
                Some(true) => {
                    note(NetworkField::Gateway(family), Some(span));
                    continue;
                }
                Some(false) => format!("the network has two {family} gateways"),
                None => format!("the network has no {family} subnet for the gateway {address}"),
            };
            if !self.broken {
                let help = "write one gateway for each subnet, the address of the bridge in it";
                report.push(Draft::error(span, message).help(help));
            }
            self.broken = true;
        }
        let network = Network {
            name: self.name.unwrap_or_default(),
            driver: self.driver,
            bridge: bridge.map(|(name, _)| name),
            ipv4,
            ipv6,
            internal: self.internal.is_some_and(|(internal, _)| internal),
            icc: settings.icc.unwrap_or(true),
            masquerade: settings.masquerade.unwrap_or(true),
            host_binding: settings
                .host_binding
                .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            trusted_host_interfaces: settings.trusted_host_interfaces.unwrap_or_default(),
            inhibit_ipv4: settings.inhibit_ipv4.unwrap_or(false),
        };
        (
            network,
            NetworkPlaces {
                name: self.name_span,
                fields,
            },
            self.broken,
        )
    }

    /// What the labels say, with the defaults that apply to this network.
    fn settings(
        &mut self,
        is_default: bool,
        daemon: &DaemonReading,
        report: &mut Report<'_>,
    ) -> Settings {
        let mut settings = Settings::default();
        for label in &self.labels {
            if let Err(wrong) = settings.apply(label) {
                self.broken = true;
                report.push(wrong.draft());
            }
        }
        if self.driver != Driver::Bridge {
            return settings;
        }
        if is_default {
            // dockerd makes the default bridge itself; default-network-opts do not reach it.
            return settings.or(&daemon.default_bridge);
        }
        if self.name.as_deref() == Some(DOCKER_GWBRIDGE) {
            // Nor this one, which swarm makes; whoever made it beforehand sees its labels in
            // `docker network inspect`.
            return settings;
        }
        let mut defaults = Settings::default();
        for label in &daemon.bridge_labels {
            if !self.labels.iter().any(|own| own.key == label.key) {
                // A wrong one has been reported where it stands.
                self.broken |= defaults.apply(label).is_err();
            }
        }
        settings.or(&defaults)
    }

    /// The bridge device and where its name stands.
    fn device(
        &mut self,
        is_default: bool,
        settings: &Settings,
        report: &mut Report<'_>,
    ) -> Option<(IfName, Option<Span>)> {
        if self.driver != Driver::Bridge {
            if let Some((_, span)) = self.bridge {
                self.broken = true;
                let message = format!("a network of driver {} has no bridge device", self.driver);
                report.push(Draft::error(span, message).help("remove the key"));
            }
            return None;
        }
        let written = match (&self.bridge, &settings.bridge) {
            (Some((key, key_span)), Some((label, label_span))) if key != label => {
                self.broken = true;
                let message = format!("the device is called {key:?} here and {label:?} in a label");
                let draft = Draft::error(*key_span, message)
                    .related(*label_span, "com.docker.network.bridge.name")
                    .help("keep the one that `ip link` shows");
                report.push(draft);
                return None;
            }
            (Some(written), _) | (None, Some(written)) => written,
            (None, None) if is_default => {
                return IfName::new(DEFAULT_DEVICE).ok().map(|name| (name, None));
            }
            (None, None) => {
                if !self.broken {
                    let name = self.name.as_deref().unwrap_or("NAME");
                    let message = format!("the bridge device of network `{name}` is not written");
                    let help = format!(
                        "add bridge = \"...\"; `docker network inspect --format \
                         'br-{{{{slice .Id 0 12}}}}' {name}` prints it, unless the network was \
                         created with a name of its own, and `ip link` lists all devices"
                    );
                    report.push(Draft::error(self.name_span, message).help(help));
                }
                self.broken = true;
                return None;
            }
        };
        let (name, span) = written;
        match options::interface(name, *span) {
            Ok(name) => Some((name, Some(*span))),
            Err(wrong) => {
                self.broken = true;
                report.push(wrong.draft());
                None
            }
        }
    }

    /// Compares `ipv4`, `ipv6` and the labels of that name with the subnets.
    fn check_families(&mut self, settings: &Settings, report: &mut Report<'_>) {
        let families = [
            (
                Family::Ipv4,
                self.ipv4.or(settings.enable_ipv4),
                self.ipv4_subnet.map(|(_, s)| s),
            ),
            (
                Family::Ipv6,
                self.ipv6.or(settings.enable_ipv6),
                self.ipv6_subnet.map(|(_, s)| s),
            ),
        ];
        for (family, wanted, subnet) in families {
            let Some((wanted, span)) = wanted else {
                continue;
            };
            let draft = match (wanted, subnet) {
                (true, None) => Draft::error(
                    span,
                    format!("the network has {family}, but its {family} subnet is not written"),
                )
                .help("add to subnets what `docker network inspect` shows"),
                (false, Some(subnet)) => Draft::error(
                    span,
                    format!("{family} is off, but an {family} subnet is written"),
                )
                .related(subnet, "the subnet")
                .help("remove one of the two"),
                (true, Some(_)) | (false, None) => continue,
            };
            if !self.broken {
                report.push(draft);
            }
            self.broken = true;
        }
    }
}
