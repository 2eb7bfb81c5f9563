//! The words nft has for numbers.
//!
//! Source: nftables v1.0.6, `src/datatype.c`, `src/ct.c`, `src/fib.c`, `src/meta.c`, `src/proto.c`.

use crate::value::DataType;

/// Names of single values, and of bits for the types that are flags.
pub(crate) const fn table(data_type: DataType) -> &'static [(u32, &'static str)] {
    match data_type {
        DataType::NfProto => NFPROTO,
        DataType::InetProto => INET_PROTO,
        DataType::IcmpType => ICMP_TYPE,
        DataType::Icmpv6Type => ICMPV6_TYPE,
        DataType::IcmpCode => ICMP_CODE,
        DataType::Icmpv6Code => ICMPV6_CODE,
        DataType::TcpFlag => TCP_FLAG,
        DataType::CtState => CT_STATE,
        DataType::CtDir => CT_DIR,
        DataType::CtStatus => CT_STATUS,
        DataType::FibAddrtype => FIB_ADDRTYPE,
        DataType::PktType => PKT_TYPE,
        DataType::Boolean => BOOLEAN,
        DataType::Dscp => DSCP,
        DataType::Ecn => ECN,
        DataType::Weekday => WEEKDAY,
        DataType::Ipv4Addr
        | DataType::Ipv6Addr
        | DataType::EtherAddr
        | DataType::InetService
        | DataType::Mark
        | DataType::IfName
        | DataType::Uid
        | DataType::Gid
        | DataType::Duration
        | DataType::TimeOfDay
        | DataType::Timestamp
        | DataType::Raw(_)
        | DataType::Integer(_)
        | DataType::HostInteger(_) => &[],
    }
}

/// The name of a value, if nft has one.
pub(crate) fn name(data_type: DataType, number: u32) -> Option<&'static str> {
    table(data_type)
        .iter()
        .find(|(value, _)| *value == number)
        .map(|(_, name)| *name)
}

/// Whether the type is a set of flags.
pub(crate) const fn is_flags(data_type: DataType) -> bool {
    matches!(
        data_type,
        DataType::TcpFlag | DataType::CtState | DataType::CtStatus
    )
}

/// The name of a type in the declaration of a set.
pub(crate) const fn type_name(data_type: DataType) -> &'static str {
    match data_type {
        DataType::NfProto => "nf_proto",
        DataType::Ipv4Addr => "ipv4_addr",
        DataType::Ipv6Addr => "ipv6_addr",
        DataType::EtherAddr => "ether_addr",
        DataType::InetProto => "inet_proto",
        DataType::InetService => "inet_service",
        DataType::IcmpType => "icmp_type",
        DataType::Icmpv6Type => "icmpv6_type",
        DataType::IcmpCode => "icmp_code",
        DataType::Icmpv6Code => "icmpv6_code",
        DataType::TcpFlag => "tcp_flag",
        DataType::Mark => "mark",
        DataType::IfName => "ifname",
        DataType::CtState => "ct_state",
        DataType::CtDir => "ct_dir",
        DataType::CtStatus => "ct_status",
        DataType::FibAddrtype => "fib_addrtype",
        DataType::PktType => "pkt_type",
        DataType::Uid => "uid",
        DataType::Gid => "gid",
        // No declaration can name these; the verifier keeps them out of sets.
        DataType::Boolean => "boolean",
        DataType::Dscp => "dscp",
        DataType::Ecn => "ecn",
        DataType::Duration | DataType::Timestamp => "time",
        DataType::TimeOfDay => "hour",
        DataType::Weekday => "day",
        DataType::Raw(_) | DataType::Integer(_) | DataType::HostInteger(_) => "integer",
    }
}

/// Whether a declaration of a set can name the type, and its keys are what is compared.
pub(crate) const fn has_type_name(data_type: DataType) -> bool {
    !matches!(
        data_type,
        DataType::Boolean
            | DataType::Dscp
            | DataType::Ecn
            | DataType::Duration
            | DataType::TimeOfDay
            | DataType::Weekday
            | DataType::Timestamp
            | DataType::Raw(_)
            | DataType::Integer(_)
            | DataType::HostInteger(_)
    )
}

const BOOLEAN: &[(u32, &str)] = &[(0, "missing"), (1, "exists")];

const DSCP: &[(u32, &str)] = &[
    (0x00, "cs0"),
    (0x08, "cs1"),
    (0x10, "cs2"),
    (0x18, "cs3"),
    (0x20, "cs4"),
    (0x28, "cs5"),
    (0x30, "cs6"),
    (0x38, "cs7"),
    (0x01, "lephb"),
    (0x0a, "af11"),
    (0x0c, "af12"),
    (0x0e, "af13"),
    (0x12, "af21"),
    (0x14, "af22"),
    (0x16, "af23"),
    (0x1a, "af31"),
    (0x1c, "af32"),
    (0x1e, "af33"),
    (0x22, "af41"),
    (0x24, "af42"),
    (0x26, "af43"),
    (0x2c, "va"),
    (0x2e, "ef"),
];

const ECN: &[(u32, &str)] = &[(0, "not-ect"), (1, "ect1"), (2, "ect0"), (3, "ce")];

const WEEKDAY: &[(u32, &str)] = &[
    (0, "Sunday"),
    (1, "Monday"),
    (2, "Tuesday"),
    (3, "Wednesday"),
    (4, "Thursday"),
    (5, "Friday"),
    (6, "Saturday"),
];

/// Kinds of TCP options.
pub(crate) const fn tcp_option(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0 => "eol",
        1 => "nop",
        2 => "maxseg",
        3 => "window",
        4 => "sack-perm",
        5 => "sack",
        8 => "timestamp",
        19 => "md5sig",
        30 => "mptcp",
        34 => "fastopen",
        _ => return None,
    })
}

const NFPROTO: &[(u32, &str)] = &[(2, "ipv4"), (10, "ipv6")];

/// Protocols that have the same name everywhere; others are printed as numbers.
const INET_PROTO: &[(u32, &str)] = &[
    (1, "icmp"),
    (2, "igmp"),
    (6, "tcp"),
    (17, "udp"),
    (33, "dccp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (132, "sctp"),
    (136, "udplite"),
];

const ICMP_TYPE: &[(u32, &str)] = &[
    (0, "echo-reply"),
    (3, "destination-unreachable"),
    (4, "source-quench"),
    (5, "redirect"),
    (8, "echo-request"),
    (9, "router-advertisement"),
    (10, "router-solicitation"),
    (11, "time-exceeded"),
    (12, "parameter-problem"),
    (13, "timestamp-request"),
    (14, "timestamp-reply"),
    (15, "info-request"),
    (16, "info-reply"),
    (17, "address-mask-request"),
    (18, "address-mask-reply"),
];

const ICMPV6_TYPE: &[(u32, &str)] = &[
    (1, "destination-unreachable"),
    (2, "packet-too-big"),
    (3, "time-exceeded"),
    (4, "parameter-problem"),
    (128, "echo-request"),
    (129, "echo-reply"),
    (130, "mld-listener-query"),
    (131, "mld-listener-report"),
    (132, "mld-listener-done"),
    (133, "nd-router-solicit"),
    (134, "nd-router-advert"),
    (135, "nd-neighbor-solicit"),
    (136, "nd-neighbor-advert"),
    (137, "nd-redirect"),
    (138, "router-renumbering"),
    (141, "ind-neighbor-solicit"),
    (142, "ind-neighbor-advert"),
    (143, "mld2-listener-report"),
];

const ICMP_CODE: &[(u32, &str)] = &[
    (0, "net-unreachable"),
    (1, "host-unreachable"),
    (2, "prot-unreachable"),
    (3, "port-unreachable"),
    (4, "frag-needed"),
    (9, "net-prohibited"),
    (10, "host-prohibited"),
    (13, "admin-prohibited"),
];

const ICMPV6_CODE: &[(u32, &str)] = &[
    (0, "no-route"),
    (1, "admin-prohibited"),
    (3, "addr-unreachable"),
    (4, "port-unreachable"),
    (5, "policy-fail"),
    (6, "reject-route"),
];

const TCP_FLAG: &[(u32, &str)] = &[
    (0x01, "fin"),
    (0x02, "syn"),
    (0x04, "rst"),
    (0x08, "psh"),
    (0x10, "ack"),
    (0x20, "urg"),
    (0x40, "ecn"),
    (0x80, "cwr"),
];

const CT_STATE: &[(u32, &str)] = &[
    (1, "invalid"),
    (2, "established"),
    (4, "related"),
    (8, "new"),
    (64, "untracked"),
];

const CT_DIR: &[(u32, &str)] = &[(0, "original"), (1, "reply")];

const CT_STATUS: &[(u32, &str)] = &[
    (1, "expected"),
    (2, "seen-reply"),
    (4, "assured"),
    (8, "confirmed"),
    (16, "snat"),
    (32, "dnat"),
    (512, "dying"),
];

const FIB_ADDRTYPE: &[(u32, &str)] = &[
    (0, "unspec"),
    (1, "unicast"),
    (2, "local"),
    (3, "broadcast"),
    (4, "anycast"),
    (5, "multicast"),
    (6, "blackhole"),
    (7, "unreachable"),
    (8, "prohibit"),
];

const PKT_TYPE: &[(u32, &str)] = &[
    (0, "host"),
    (1, "broadcast"),
    (2, "multicast"),
    (3, "other"),
];

/// Codes of `reject with icmp`.
pub(crate) fn icmp_code(code: u8) -> Option<&'static str> {
    name(DataType::IcmpCode, code.into())
}

/// Codes of `reject with icmpv6`.
pub(crate) fn icmpv6_code(code: u8) -> Option<&'static str> {
    name(DataType::Icmpv6Code, code.into())
}

/// Levels of `log`.
pub(crate) fn log_level(level: u8) -> Option<&'static str> {
    const LEVELS: [&str; 8] = [
        "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug",
    ];
    LEVELS.get(usize::from(level)).copied()
}

/// The number of a value of at most 4 bytes, as it is compared.
pub(crate) fn number(data_type: DataType, bytes: &[u8]) -> Option<u32> {
    match *bytes {
        [a] => Some(a.into()),
        [a, b] => Some(u16::from_be_bytes([a, b]).into()),
        [a, b, c, d] if data_type.is_host_endian() => Some(u32::from_ne_bytes([a, b, c, d])),
        [a, b, c, d] => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    }
}
