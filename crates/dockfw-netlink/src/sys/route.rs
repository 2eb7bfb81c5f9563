//! Numbers of rtnetlink, with the names of the kernel.
//!
//! Numbers in headers and attributes are in host byte order, addresses in network byte order.
//!
//! Source: uapi `linux/rtnetlink.h`, `linux/if_link.h`, `linux/if_addr.h`, `linux/if.h`,
//! `linux/neighbour.h` (v6.12).

/// `RTM_GETLINK`; links come back as `RTM_NEWLINK`.
pub const RTM_GETLINK: u16 = 18;
/// `RTM_GETADDR`
pub const RTM_GETADDR: u16 = 22;
/// `RTM_GETROUTE`
pub const RTM_GETROUTE: u16 = 26;
/// `RTM_DELNEIGH`
pub const RTM_DELNEIGH: u16 = 29;
/// `RTM_GETNEIGH`; neighbours come back as `RTM_NEWNEIGH`.
pub const RTM_GETNEIGH: u16 = 30;

/// `sizeof(struct ifinfomsg)`
pub const IFINFOMSG: usize = 16;
/// `sizeof(struct ifaddrmsg)`
pub const IFADDRMSG: usize = 8;
/// `sizeof(struct rtmsg)`
pub const RTMSG: usize = 12;
/// `sizeof(struct ndmsg)`
pub const NDMSG: usize = 12;

/// `IFNAMSIZ`: names of interfaces are shorter than that.
pub const IFNAMSIZ: usize = 16;

/// `IFLA_IFNAME`
pub const IFLA_IFNAME: u16 = 3;
/// `IFLA_LINKINFO`
pub const IFLA_LINKINFO: u16 = 18;
/// `IFLA_INFO_KIND`
pub const IFLA_INFO_KIND: u16 = 1;

/// `IFA_ADDRESS`: the other end of a point-to-point link, or the address itself.
pub const IFA_ADDRESS: u16 = 1;
/// `IFA_LOCAL`: the address itself, where it is not in `IFA_ADDRESS`.
pub const IFA_LOCAL: u16 = 2;

/// `RTA_DST`
pub const RTA_DST: u16 = 1;
/// `RTA_OIF`
pub const RTA_OIF: u16 = 4;
/// `RTA_PRIORITY`
pub const RTA_PRIORITY: u16 = 6;
/// `RTA_MULTIPATH`: several `struct rtnexthop`.
pub const RTA_MULTIPATH: u16 = 9;
/// `RTA_TABLE`
pub const RTA_TABLE: u16 = 15;

/// `RTN_UNICAST`
pub const RTN_UNICAST: u8 = 1;
/// `RT_TABLE_MAIN`
pub const RT_TABLE_MAIN: u32 = 254;
/// `RTM_F_CLONED`: an entry of a cache.
pub const RTM_F_CLONED: u32 = 0x200;

/// `NDA_DST`: the address of a neighbour.
pub const NDA_DST: u16 = 1;
/// `NDA_IFINDEX`
pub const NDA_IFINDEX: u16 = 8;
/// `NUD_INCOMPLETE`: nobody has answered yet; packets wait.
pub const NUD_INCOMPLETE: u16 = 0x01;
