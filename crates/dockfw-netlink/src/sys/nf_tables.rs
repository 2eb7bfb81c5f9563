//! Numbers of nfnetlink and nf_tables.
//!
//! The names are those of the kernel. The installed C header is older than what we use, and `libc`
//! has no `NFTA_*`, so the table is ours; `tests/oracle.rs` compares it with the header.
//!
//! Source: uapi `linux/netfilter/nf_tables.h`, `linux/netfilter/nfnetlink.h`,
//! `linux/netfilter/nf_nat.h`, `linux/netfilter/nf_log.h`, `linux/netlink.h` (v6.12).

macro_rules! numbers {
    ($($group:literal: $kind:ty { $($name:ident = $number:expr),* $(,)? })*) => {
        $($(
            #[doc = concat!("`", stringify!($name), "` of `", $group, "`.")]
            pub const $name: $kind = $number;
        )*)*

        /// Every number with its name, for the comparison with other tables of them.
        #[expect(clippy::allow_attributes, reason = "which lints apply depends on the type")]
        #[allow(clippy::as_conversions, clippy::cast_lossless, reason = "all fit; a const")]
        pub const ALL: &[(&str, i64)] = &[$($((stringify!($name), $name as i64),)*)*];
    };
}

numbers! {
    "enum nf_tables_msg_types": u16 {
        NFT_MSG_NEWTABLE = 0, NFT_MSG_GETTABLE = 1, NFT_MSG_DELTABLE = 2,
        NFT_MSG_NEWCHAIN = 3, NFT_MSG_GETCHAIN = 4, NFT_MSG_DELCHAIN = 5,
        NFT_MSG_NEWRULE = 6, NFT_MSG_GETRULE = 7, NFT_MSG_DELRULE = 8,
        NFT_MSG_NEWSET = 9, NFT_MSG_GETSET = 10, NFT_MSG_DELSET = 11,
        NFT_MSG_NEWSETELEM = 12, NFT_MSG_GETSETELEM = 13, NFT_MSG_DELSETELEM = 14,
        NFT_MSG_NEWGEN = 15, NFT_MSG_GETGEN = 16, NFT_MSG_NEWOBJ = 18, NFT_MSG_GETOBJ = 19,
        NFT_MSG_NEWFLOWTABLE = 22, NFT_MSG_GETFLOWTABLE = 23,
    }
    "enum nft_object_attributes": u16 { NFTA_OBJ_TABLE = 1, NFTA_OBJ_NAME = 2 }
    "enum nft_flowtable_attributes": u16 { NFTA_FLOWTABLE_TABLE = 1, NFTA_FLOWTABLE_NAME = 2 }
    "enum nft_counter_attributes": u16 { NFTA_COUNTER_BYTES = 1, NFTA_COUNTER_PACKETS = 2 }
    "enum nfnl_batch_attributes": u16 { NFNL_BATCH_GENID = 1 }
    "enum nft_list_attributes": u16 { NFTA_LIST_ELEM = 1 }
    "enum nft_hook_attributes": u16 { NFTA_HOOK_HOOKNUM = 1, NFTA_HOOK_PRIORITY = 2 }
    "enum nft_table_flags": u32 {
        NFT_TABLE_F_DORMANT = 1, NFT_TABLE_F_OWNER = 2, NFT_TABLE_F_PERSIST = 4,
    }
    "enum nft_table_attributes": u16 {
        NFTA_TABLE_NAME = 1, NFTA_TABLE_FLAGS = 2, NFTA_TABLE_USE = 3, NFTA_TABLE_HANDLE = 4,
        NFTA_TABLE_USERDATA = 6, NFTA_TABLE_OWNER = 7,
    }
    "enum nft_chain_attributes": u16 {
        NFTA_CHAIN_TABLE = 1, NFTA_CHAIN_HANDLE = 2, NFTA_CHAIN_NAME = 3, NFTA_CHAIN_HOOK = 4,
        NFTA_CHAIN_POLICY = 5, NFTA_CHAIN_USE = 6, NFTA_CHAIN_TYPE = 7, NFTA_CHAIN_COUNTERS = 8,
        NFTA_CHAIN_FLAGS = 10, NFTA_CHAIN_ID = 11, NFTA_CHAIN_USERDATA = 12,
    }
    "enum nft_rule_attributes": u16 {
        NFTA_RULE_TABLE = 1, NFTA_RULE_CHAIN = 2, NFTA_RULE_HANDLE = 3,
        NFTA_RULE_EXPRESSIONS = 4, NFTA_RULE_COMPAT = 5, NFTA_RULE_POSITION = 6,
        NFTA_RULE_USERDATA = 7, NFTA_RULE_ID = 9, NFTA_RULE_POSITION_ID = 10,
        NFTA_RULE_CHAIN_ID = 11,
    }
    "enum nft_set_flags": u32 {
        NFT_SET_ANONYMOUS = 0x1, NFT_SET_CONSTANT = 0x2, NFT_SET_INTERVAL = 0x4,
        NFT_SET_MAP = 0x8, NFT_SET_TIMEOUT = 0x10, NFT_SET_EVAL = 0x20, NFT_SET_OBJECT = 0x40,
        NFT_SET_CONCAT = 0x80, NFT_SET_EXPR = 0x100,
    }
    "enum nft_set_attributes": u16 {
        NFTA_SET_TABLE = 1, NFTA_SET_NAME = 2, NFTA_SET_FLAGS = 3, NFTA_SET_KEY_TYPE = 4,
        NFTA_SET_KEY_LEN = 5, NFTA_SET_DATA_TYPE = 6, NFTA_SET_DATA_LEN = 7,
        NFTA_SET_POLICY = 8, NFTA_SET_DESC = 9, NFTA_SET_ID = 10, NFTA_SET_TIMEOUT = 11,
        NFTA_SET_GC_INTERVAL = 12, NFTA_SET_USERDATA = 13, NFTA_SET_OBJ_TYPE = 15,
        NFTA_SET_HANDLE = 16, NFTA_SET_EXPR = 17, NFTA_SET_EXPRESSIONS = 18,
    }
    // Since v6.16; `NFTA_SET_TYPE` (19) is a raw kernel pointer on some builds and not read.
    "enum nft_set_attributes (v6.16)": u16 { NFTA_SET_COUNT = 20 }
    "enum nft_set_desc_attributes": u16 { NFTA_SET_DESC_SIZE = 1, NFTA_SET_DESC_CONCAT = 2 }
    "enum nft_set_field_attributes": u16 { NFTA_SET_FIELD_LEN = 1 }
    "enum nft_set_elem_flags": u32 {
        NFT_SET_ELEM_INTERVAL_END = 1, NFT_SET_ELEM_CATCHALL = 2,
    }
    "enum nft_set_elem_attributes": u16 {
        NFTA_SET_ELEM_KEY = 1, NFTA_SET_ELEM_DATA = 2, NFTA_SET_ELEM_FLAGS = 3,
        NFTA_SET_ELEM_TIMEOUT = 4, NFTA_SET_ELEM_EXPIRATION = 5, NFTA_SET_ELEM_USERDATA = 6,
        NFTA_SET_ELEM_EXPR = 7, NFTA_SET_ELEM_OBJREF = 9, NFTA_SET_ELEM_KEY_END = 10,
        NFTA_SET_ELEM_EXPRESSIONS = 11,
    }
    "enum nft_set_elem_list_attributes": u16 {
        NFTA_SET_ELEM_LIST_TABLE = 1, NFTA_SET_ELEM_LIST_SET = 2,
        NFTA_SET_ELEM_LIST_ELEMENTS = 3, NFTA_SET_ELEM_LIST_SET_ID = 4,
    }
    "enum nft_data_types": u32 { NFT_DATA_VERDICT = 0xffff_ff00 }
    "enum nft_data_attributes": u16 { NFTA_DATA_VALUE = 1, NFTA_DATA_VERDICT = 2 }
    "enum nft_verdict_attributes": u16 { NFTA_VERDICT_CODE = 1, NFTA_VERDICT_CHAIN = 2 }
    "enum nft_verdicts": i32 {
        NFT_CONTINUE = -1, NFT_BREAK = -2, NFT_JUMP = -3, NFT_GOTO = -4, NFT_RETURN = -5,
    }
    "linux/netfilter.h": i32 { NF_DROP = 0, NF_ACCEPT = 1 }
    "linux/netfilter.h, nfproto": u8 {
        NFPROTO_INET = 1, NFPROTO_IPV4 = 2, NFPROTO_IPV6 = 10,
    }
    "enum nft_registers": u32 { NFT_REG_VERDICT = 0, NFT_REG32_00 = 8, NFT_REG32_15 = 23 }
    "enum nft_expr_attributes": u16 { NFTA_EXPR_NAME = 1, NFTA_EXPR_DATA = 2 }
    "enum nft_immediate_attributes": u16 { NFTA_IMMEDIATE_DREG = 1, NFTA_IMMEDIATE_DATA = 2 }
    "enum nft_bitwise_attributes": u16 {
        NFTA_BITWISE_SREG = 1, NFTA_BITWISE_DREG = 2, NFTA_BITWISE_LEN = 3,
        NFTA_BITWISE_MASK = 4, NFTA_BITWISE_XOR = 5,
    }
    "enum nft_byteorder_attributes": u16 {
        NFTA_BYTEORDER_SREG = 1, NFTA_BYTEORDER_DREG = 2, NFTA_BYTEORDER_OP = 3,
        NFTA_BYTEORDER_LEN = 4, NFTA_BYTEORDER_SIZE = 5,
    }
    "enum nft_byteorder_ops": u32 { NFT_BYTEORDER_HTON = 1 }
    "enum nft_cmp_attributes": u16 { NFTA_CMP_SREG = 1, NFTA_CMP_OP = 2, NFTA_CMP_DATA = 3 }
    "enum nft_cmp_ops": u32 {
        NFT_CMP_EQ = 0, NFT_CMP_NEQ = 1, NFT_CMP_LT = 2, NFT_CMP_LTE = 3, NFT_CMP_GT = 4,
        NFT_CMP_GTE = 5,
    }
    "enum nft_range_attributes": u16 {
        NFTA_RANGE_SREG = 1, NFTA_RANGE_OP = 2, NFTA_RANGE_FROM_DATA = 3,
        NFTA_RANGE_TO_DATA = 4,
    }
    "enum nft_range_ops": u32 { NFT_RANGE_EQ = 0, NFT_RANGE_NEQ = 1 }
    "enum nft_lookup_attributes": u16 {
        NFTA_LOOKUP_SET = 1, NFTA_LOOKUP_SREG = 2, NFTA_LOOKUP_DREG = 3,
        NFTA_LOOKUP_SET_ID = 4, NFTA_LOOKUP_FLAGS = 5,
    }
    "enum nft_lookup_flags": u32 { NFT_LOOKUP_F_INV = 1 }
    "enum nft_payload_attributes": u16 {
        NFTA_PAYLOAD_DREG = 1, NFTA_PAYLOAD_BASE = 2, NFTA_PAYLOAD_OFFSET = 3,
        NFTA_PAYLOAD_LEN = 4, NFTA_PAYLOAD_SREG = 5, NFTA_PAYLOAD_CSUM_TYPE = 6,
        NFTA_PAYLOAD_CSUM_OFFSET = 7,
    }
    "enum nft_payload_bases": u32 {
        NFT_PAYLOAD_LL_HEADER = 0, NFT_PAYLOAD_NETWORK_HEADER = 1,
        NFT_PAYLOAD_TRANSPORT_HEADER = 2,
    }
    "enum nft_payload_csum_types": u32 { NFT_PAYLOAD_CSUM_INET = 1 }
    "enum nft_exthdr_attributes": u16 {
        NFTA_EXTHDR_DREG = 1, NFTA_EXTHDR_TYPE = 2, NFTA_EXTHDR_OFFSET = 3, NFTA_EXTHDR_LEN = 4,
        NFTA_EXTHDR_FLAGS = 5, NFTA_EXTHDR_OP = 6, NFTA_EXTHDR_SREG = 7,
    }
    "enum nft_exthdr_flags": u32 { NFT_EXTHDR_F_PRESENT = 1 }
    "enum nft_exthdr_op": u32 { NFT_EXTHDR_OP_IPV6 = 0, NFT_EXTHDR_OP_TCPOPT = 1 }
    "enum nft_socket_attributes": u16 { NFTA_SOCKET_KEY = 1, NFTA_SOCKET_DREG = 2 }
    "enum nft_socket_keys": u32 {
        NFT_SOCKET_TRANSPARENT = 0, NFT_SOCKET_MARK = 1, NFT_SOCKET_WILDCARD = 2,
    }
    "enum nft_ng_attributes": u16 {
        NFTA_NG_DREG = 1, NFTA_NG_MODULUS = 2, NFTA_NG_TYPE = 3, NFTA_NG_OFFSET = 4,
    }
    "enum nft_ng_types": u32 { NFT_NG_INCREMENTAL = 0, NFT_NG_RANDOM = 1 }
    "enum nft_rt_attributes": u16 { NFTA_RT_DREG = 1, NFTA_RT_KEY = 2 }
    "enum nft_rt_keys": u32 { NFT_RT_TCPMSS = 3, NFT_RT_XFRM = 4 }
    "enum nft_quota_attributes": u16 { NFTA_QUOTA_BYTES = 1, NFTA_QUOTA_FLAGS = 2 }
    "enum nft_quota_flags": u32 { NFT_QUOTA_F_INV = 1 }
    "enum nft_connlimit_attributes": u16 { NFTA_CONNLIMIT_COUNT = 1, NFTA_CONNLIMIT_FLAGS = 2 }
    "enum nft_connlimit_flags": u32 { NFT_CONNLIMIT_F_INV = 1 }
    "enum nft_queue_attributes": u16 {
        NFTA_QUEUE_NUM = 1, NFTA_QUEUE_TOTAL = 2, NFTA_QUEUE_FLAGS = 3,
    }
    "linux/netfilter/nf_tables.h, queue flags": u16 {
        NFT_QUEUE_FLAG_BYPASS = 1, NFT_QUEUE_FLAG_CPU_FANOUT = 2,
    }
    "enum nft_dup_attributes": u16 { NFTA_DUP_SREG_ADDR = 1 }
    "enum nft_tproxy_attributes": u16 {
        NFTA_TPROXY_FAMILY = 1, NFTA_TPROXY_REG_ADDR = 2, NFTA_TPROXY_REG_PORT = 3,
    }
    "enum nft_dynset_attributes": u16 {
        NFTA_DYNSET_SET_NAME = 1, NFTA_DYNSET_OP = 3, NFTA_DYNSET_SREG_KEY = 4,
        NFTA_DYNSET_TIMEOUT = 6, NFTA_DYNSET_EXPR = 7,
    }
    "enum nft_dynset_ops": u32 {
        NFT_DYNSET_OP_ADD = 0, NFT_DYNSET_OP_UPDATE = 1, NFT_DYNSET_OP_DELETE = 2,
    }
    "enum nft_meta_attributes": u16 { NFTA_META_DREG = 1, NFTA_META_KEY = 2, NFTA_META_SREG = 3 }
    "enum nft_meta_keys": u32 {
        NFT_META_LEN = 0, NFT_META_MARK = 3, NFT_META_IIFNAME = 6, NFT_META_OIFNAME = 7,
        NFT_META_IFTYPE = 8, NFT_META_SKUID = 10, NFT_META_SKGID = 11, NFT_META_NFPROTO = 15,
        NFT_META_L4PROTO = 16, NFT_META_PKTTYPE = 19, NFT_META_PRIORITY = 2,
        NFT_META_CGROUP = 23, NFT_META_SECPATH = 25, NFT_META_TIME_NS = 30, NFT_META_TIME_DAY = 31,
        NFT_META_TIME_HOUR = 32,
    }
    "enum nft_ct_attributes": u16 {
        NFTA_CT_DREG = 1, NFTA_CT_KEY = 2, NFTA_CT_DIRECTION = 3, NFTA_CT_SREG = 4,
    }
    "enum nft_ct_keys": u32 {
        NFT_CT_STATE = 0, NFT_CT_DIRECTION = 1, NFT_CT_STATUS = 2, NFT_CT_MARK = 3,
        NFT_CT_EXPIRATION = 5, NFT_CT_PKTS = 14, NFT_CT_BYTES = 15, NFT_CT_AVGPKT = 16, NFT_CT_ZONE = 17, NFT_CT_PROTOCOL = 10, NFT_CT_PROTO_SRC = 11, NFT_CT_PROTO_DST = 12,
        NFT_CT_SRC_IP = 19, NFT_CT_DST_IP = 20, NFT_CT_SRC_IP6 = 21, NFT_CT_DST_IP6 = 22,
    }
    "enum nft_fib_attributes": u16 {
        NFTA_FIB_DREG = 1, NFTA_FIB_RESULT = 2, NFTA_FIB_FLAGS = 3,
    }
    "enum nft_fib_result": u32 {
        NFT_FIB_RESULT_OIF = 1, NFT_FIB_RESULT_OIFNAME = 2, NFT_FIB_RESULT_ADDRTYPE = 3,
    }
    "enum nft_fib_flags": u32 {
        NFTA_FIB_F_SADDR = 1, NFTA_FIB_F_DADDR = 2, NFTA_FIB_F_MARK = 4, NFTA_FIB_F_IIF = 8,
        NFTA_FIB_F_OIF = 16, NFTA_FIB_F_PRESENT = 32,
    }
    "enum nft_limit_attributes": u16 {
        NFTA_LIMIT_RATE = 1, NFTA_LIMIT_UNIT = 2, NFTA_LIMIT_BURST = 3, NFTA_LIMIT_TYPE = 4,
        NFTA_LIMIT_FLAGS = 5,
    }
    "enum nft_limit_type": u32 { NFT_LIMIT_PKTS = 0, NFT_LIMIT_PKT_BYTES = 1 }
    "enum nft_limit_flags": u32 { NFT_LIMIT_F_INV = 1 }
    "enum nft_log_attributes": u16 {
        NFTA_LOG_GROUP = 1, NFTA_LOG_PREFIX = 2, NFTA_LOG_SNAPLEN = 3, NFTA_LOG_QTHRESHOLD = 4,
        NFTA_LOG_LEVEL = 5, NFTA_LOG_FLAGS = 6,
    }
    "linux/netfilter/nf_log.h": u32 {
        NF_LOG_TCPSEQ = 0x1, NF_LOG_TCPOPT = 0x2, NF_LOG_IPOPT = 0x4, NF_LOG_UID = 0x8,
        NF_LOG_MACDECODE = 0x20,
    }
    "enum nft_reject_attributes": u16 { NFTA_REJECT_TYPE = 1, NFTA_REJECT_ICMP_CODE = 2 }
    "enum nft_reject_types": u32 {
        NFT_REJECT_ICMP_UNREACH = 0, NFT_REJECT_TCP_RST = 1, NFT_REJECT_ICMPX_UNREACH = 2,
    }
    "enum nft_reject_inet_code": u8 {
        NFT_REJECT_ICMPX_NO_ROUTE = 0, NFT_REJECT_ICMPX_PORT_UNREACH = 1,
        NFT_REJECT_ICMPX_HOST_UNREACH = 2, NFT_REJECT_ICMPX_ADMIN_PROHIBITED = 3,
    }
    "enum nft_nat_attributes": u16 {
        NFTA_NAT_TYPE = 1, NFTA_NAT_FAMILY = 2, NFTA_NAT_REG_ADDR_MIN = 3,
        NFTA_NAT_REG_ADDR_MAX = 4, NFTA_NAT_REG_PROTO_MIN = 5, NFTA_NAT_REG_PROTO_MAX = 6,
        NFTA_NAT_FLAGS = 7,
    }
    "enum nft_nat_types": u32 { NFT_NAT_SNAT = 0, NFT_NAT_DNAT = 1 }
    "linux/netfilter/nf_nat.h": u32 {
        NF_NAT_RANGE_MAP_IPS = 1, NF_NAT_RANGE_PROTO_SPECIFIED = 2, NF_NAT_RANGE_PROTO_RANDOM = 4,
        NF_NAT_RANGE_PERSISTENT = 8, NF_NAT_RANGE_PROTO_RANDOM_FULLY = 16,
        NF_NAT_RANGE_NETMAP = 64,
    }
    "enum nft_masq_attributes": u16 {
        NFTA_MASQ_FLAGS = 1, NFTA_MASQ_REG_PROTO_MIN = 2, NFTA_MASQ_REG_PROTO_MAX = 3,
    }
    "enum nft_redir_attributes": u16 {
        NFTA_REDIR_REG_PROTO_MIN = 1, NFTA_REDIR_REG_PROTO_MAX = 2, NFTA_REDIR_FLAGS = 3,
    }
    "enum nft_gen_attributes": u16 { NFTA_GEN_ID = 1 }
    "linux/netfilter/nfnetlink.h": u16 {
        NFNL_SUBSYS_NFTABLES = 10, NFNL_MSG_BATCH_BEGIN = 16, NFNL_MSG_BATCH_END = 17,
    }
}

/// Types of user data, which the kernel keeps and does not read.
///
/// Source: libnftnl 1.2.4, `include/libnftnl/udata.h`; nftables v1.0.6, `src/mnl.c`.
pub mod udata {
    /// `NFTNL_UDATA_{TABLE,CHAIN,RULE,SET_ELEM}_COMMENT`: text with its NUL.
    pub const COMMENT: u8 = 0;
    /// `NFTNL_UDATA_SET_KEYBYTEORDER`: see [`HOST_ENDIAN`], [`BIG_ENDIAN`]; 4 bytes, host order.
    pub const SET_KEYBYTEORDER: u8 = 0;
    /// `NFTNL_UDATA_SET_DATABYTEORDER`: likewise, of a map's data.
    pub const SET_DATABYTEORDER: u8 = 1;
    /// `NFTNL_UDATA_SET_COMMENT`: text with its NUL.
    pub const SET_COMMENT: u8 = 7;
    /// `NFTNL_UDATA_SET_ELEM_FLAGS`: 4 bytes, host order.
    pub const SET_ELEM_FLAGS: u8 = 1;
    /// `NFTNL_SET_ELEM_F_INTERVAL_OPEN`: the range reaches the end of the space, no end follows.
    pub const SET_ELEM_F_INTERVAL_OPEN: u32 = 1;
    /// `BYTEORDER_INVALID` of nft(8): concatenations and verdicts.
    pub const NO_BYTE_ORDER: u32 = 0;
    /// `BYTEORDER_HOST_ENDIAN` of nft(8).
    pub const HOST_ENDIAN: u32 = 1;
    /// `BYTEORDER_BIG_ENDIAN` of nft(8).
    pub const BIG_ENDIAN: u32 = 2;
}
