//! The names of protocols and services, without asking the host for its files.

/// Protocols by number, as iptables-save writes them on Debian 12: the first name of each in
/// `/etc/protocols` of netbase 6.4, whose `mptcp`, 262, is no protocol of a packet. Another host
/// can have other names; `tests/programs.rs` asks the real iptables.
pub(crate) const PROTOCOLS: &[(u8, &str)] = &[
    (1, "icmp"),
    (2, "igmp"),
    (3, "ggp"),
    (4, "ipencap"),
    (5, "st"),
    (6, "tcp"),
    (8, "egp"),
    (9, "igp"),
    (12, "pup"),
    (17, "udp"),
    (20, "hmp"),
    (22, "xns-idp"),
    (27, "rdp"),
    (29, "iso-tp4"),
    (33, "dccp"),
    (36, "xtp"),
    (37, "ddp"),
    (38, "idpr-cmtp"),
    (41, "ipv6"),
    (43, "ipv6-route"),
    (44, "ipv6-frag"),
    (45, "idrp"),
    (46, "rsvp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (57, "skip"),
    (58, "ipv6-icmp"),
    (59, "ipv6-nonxt"),
    (60, "ipv6-opts"),
    (73, "rspf"),
    (81, "vmtp"),
    (88, "eigrp"),
    (89, "ospf"),
    (93, "ax.25"),
    (94, "ipip"),
    (97, "etherip"),
    (98, "encap"),
    (103, "pim"),
    (108, "ipcomp"),
    (112, "vrrp"),
    (115, "l2tp"),
    (124, "isis"),
    (132, "sctp"),
    (133, "fc"),
    (135, "mobility-header"),
    (136, "udplite"),
    (137, "mpls-in-ip"),
    (138, "manet"),
    (139, "hip"),
    (140, "shim6"),
    (141, "wesp"),
    (142, "rohc"),
    (143, "ethernet"),
];

/// Other names that iptables reads: `all` and those that it knows without `/etc/protocols`.
const PROTOCOL_ALIASES: &[(u8, &str)] = &[
    (0, "all"),
    (0, "ip"),
    (58, "icmpv6"),
    (58, "icmp6"),
    (135, "mh"),
];

/// The services one meets in rules: a choice of ours, not the whole `/etc/services` that iptables
/// reads. Names and ports are those of netbase 6.4 (Debian 12), and `nameserver`, which it does not
/// have any more.
const SERVICES: &[(u16, &str)] = &[
    (1, "tcpmux"),
    (7, "echo"),
    (9, "discard"),
    (11, "systat"),
    (13, "daytime"),
    (15, "netstat"),
    (17, "qotd"),
    (19, "chargen"),
    (20, "ftp-data"),
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "mail"),
    (25, "smtp"),
    (37, "time"),
    (42, "nameserver"),
    (43, "whois"),
    (49, "tacacs"),
    (53, "domain"),
    (67, "bootps"),
    (68, "bootpc"),
    (69, "tftp"),
    (70, "gopher"),
    (79, "finger"),
    (80, "http"),
    (80, "www"),
    (88, "kerberos"),
    (88, "kerberos5"),
    (110, "pop3"),
    (111, "portmapper"),
    (111, "sunrpc"),
    (113, "auth"),
    (113, "ident"),
    (119, "nntp"),
    (123, "ntp"),
    (135, "epmap"),
    (137, "netbios-ns"),
    (138, "netbios-dgm"),
    (139, "netbios-ssn"),
    (143, "imap"),
    (143, "imap2"),
    (161, "snmp"),
    (162, "snmp-trap"),
    (162, "snmptrap"),
    (177, "xdmcp"),
    (179, "bgp"),
    (389, "ldap"),
    (443, "https"),
    (445, "microsoft-ds"),
    (464, "kpasswd"),
    (465, "submissions"),
    (500, "isakmp"),
    (512, "exec"),
    (513, "login"),
    (514, "shell"),
    (514, "syslog"),
    (515, "printer"),
    (520, "route"),
    (540, "uucp"),
    (546, "dhcpv6-client"),
    (547, "dhcpv6-server"),
    (554, "rtsp"),
    (563, "nntps"),
    (587, "submission"),
    (631, "ipp"),
    (636, "ldaps"),
    (853, "domain-s"),
    (873, "rsync"),
    (989, "ftps-data"),
    (990, "ftps"),
    (992, "telnets"),
    (993, "imaps"),
    (995, "pop3s"),
    (1080, "socks"),
    (1194, "openvpn"),
    (1433, "ms-sql-s"),
    (1434, "ms-sql-m"),
    (1701, "l2tp"),
    (1812, "radius"),
    (1813, "radius-acct"),
    (2049, "nfs"),
    (2401, "cvspserver"),
    (3260, "iscsi-target"),
    (3306, "mysql"),
    (3389, "ms-wbt-server"),
    (3493, "nut"),
    (3632, "distcc"),
    (3690, "svn"),
    (4500, "ipsec-nat-t"),
    (4949, "munin"),
    (5060, "sip"),
    (5061, "sip-tls"),
    (5222, "xmpp-client"),
    (5269, "xmpp-server"),
    (5353, "mdns"),
    (5432, "postgres"),
    (5432, "postgresql"),
    (5666, "nrpe"),
    (5671, "amqps"),
    (5672, "amqp"),
    (6000, "x11"),
    (6379, "redis"),
    (8080, "http-alt"),
    (9418, "git"),
    (10000, "webmin"),
    (10050, "zabbix-agent"),
    (10051, "zabbix-trapper"),
];

/// The number of a protocol; `name` is in lower case.
pub(crate) fn protocol(name: &str) -> Option<u8> {
    let mut known = PROTOCOLS.iter().chain(PROTOCOL_ALIASES);
    known
        .find(|(_, other)| *other == name)
        .map(|(number, _)| *number)
}

/// The names of protocols.
pub(crate) fn protocols() -> impl Iterator<Item = &'static str> {
    PROTOCOLS
        .iter()
        .chain(PROTOCOL_ALIASES)
        .map(|(_, name)| *name)
}

/// The port of a service.
pub(crate) fn service(name: &str) -> Option<u16> {
    SERVICES
        .iter()
        .find(|(_, other)| *other == name)
        .map(|(port, _)| *port)
}

/// The names of services.
pub(crate) fn services() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|(_, name)| *name)
}
