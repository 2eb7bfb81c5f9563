//! libnftnl, as far as the comparison needs it.
#![expect(unsafe_code, reason = "a C library")]
#![expect(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "test helpers; bindgen makes every constant a u32"
)]

use std::ffi::CString;

use nftnl::nftnl_sys::{self as sys, libc};

/// The attribute number of an object or expression.
pub(crate) type Attribute = u32;

macro_rules! object {
    ($name:ident, $inner:ty, $alloc:ident, $free:ident, $u32:ident, $u64:ident, $text:ident, $data:ident) => {
        /// An object of libnftnl.
        pub(crate) struct $name(*mut $inner);

        impl $name {
            pub(crate) fn new() -> Self {
                // SAFETY: no preconditions; null is caught below.
                let object = unsafe { sys::$alloc() };
                assert!(!object.is_null());
                Self(object)
            }

            #[expect(
                clippy::allow_attributes,
                reason = "no object has attributes of all kinds"
            )]
            #[allow(dead_code, reason = "likewise")]
            pub(crate) fn u32(&mut self, attribute: Attribute, value: u32) -> &mut Self {
                // SAFETY: the object is alive until `self` is dropped.
                unsafe { sys::$u32(self.0, attribute as u16, value) };
                self
            }

            #[expect(
                clippy::allow_attributes,
                reason = "not every object has 64-bit attributes"
            )]
            #[allow(dead_code, reason = "likewise")]
            pub(crate) fn u64(&mut self, attribute: Attribute, value: u64) -> &mut Self {
                // SAFETY: likewise.
                unsafe { sys::$u64(self.0, attribute as u16, value) };
                self
            }

            pub(crate) fn text(&mut self, attribute: Attribute, value: &str) -> &mut Self {
                let value = CString::new(value).unwrap();
                // SAFETY: likewise; the text is copied.
                unsafe { sys::$text(self.0, attribute as u16, value.as_ptr()) };
                self
            }

            pub(crate) fn bytes(&mut self, attribute: Attribute, value: &[u8]) -> &mut Self {
                let (data, len) = (value.as_ptr().cast(), u32::try_from(value.len()).unwrap());
                // SAFETY: likewise; `len` bytes are copied.
                unsafe { sys::$data(self.0, attribute as u16, data, len) };
                self
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: made by the matching constructor, freed once.
                unsafe { sys::$free(self.0) };
            }
        }
    };
}

object!(
    Table,
    sys::nftnl_table,
    nftnl_table_alloc,
    nftnl_table_free,
    nftnl_table_set_u32,
    nftnl_table_set_u64,
    nftnl_table_set_str,
    nftnl_table_set_data
);
object!(
    Chain,
    sys::nftnl_chain,
    nftnl_chain_alloc,
    nftnl_chain_free,
    nftnl_chain_set_u32,
    nftnl_chain_set_u64,
    nftnl_chain_set_str,
    nftnl_chain_set_data
);
object!(
    Rule,
    sys::nftnl_rule,
    nftnl_rule_alloc,
    nftnl_rule_free,
    nftnl_rule_set_u32,
    nftnl_rule_set_u64,
    nftnl_rule_set_str,
    nftnl_rule_set_data
);
object!(
    Set,
    sys::nftnl_set,
    nftnl_set_alloc,
    nftnl_set_free,
    nftnl_set_set_u32,
    nftnl_set_set_u64,
    nftnl_set_set_str,
    nftnl_set_set_data
);
object!(
    Element,
    sys::nftnl_set_elem,
    nftnl_set_elem_alloc,
    nftnl_set_elem_free,
    nftnl_set_elem_set_u32,
    nftnl_set_elem_set_u64,
    nftnl_set_elem_set_str,
    nftnl_set_elem_set
);

/// An expression of a rule.
pub(crate) struct Expression(*mut sys::nftnl_expr);

impl Expression {
    pub(crate) fn new(name: &str) -> Self {
        let name = CString::new(name).unwrap();
        // SAFETY: the name is a C string; null (unknown name) is caught below.
        let expression = unsafe { sys::nftnl_expr_alloc(name.as_ptr()) };
        assert!(!expression.is_null());
        Self(expression)
    }

    pub(crate) fn u8(self, attribute: Attribute, value: u8) -> Self {
        // SAFETY: the expression is alive.
        unsafe { sys::nftnl_expr_set_u8(self.0, attribute as u16, value) };
        self
    }

    pub(crate) fn u16(self, attribute: Attribute, value: u16) -> Self {
        // SAFETY: likewise.
        unsafe { sys::nftnl_expr_set_u16(self.0, attribute as u16, value) };
        self
    }

    pub(crate) fn u32(self, attribute: Attribute, value: u32) -> Self {
        // SAFETY: likewise.
        unsafe { sys::nftnl_expr_set_u32(self.0, attribute as u16, value) };
        self
    }

    pub(crate) fn u64(self, attribute: Attribute, value: u64) -> Self {
        // SAFETY: likewise.
        unsafe { sys::nftnl_expr_set_u64(self.0, attribute as u16, value) };
        self
    }

    /// Hands an expression over to this one.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "this one owns it from now on"
    )]
    pub(crate) fn expression(self, attribute: Attribute, inner: Self) -> Self {
        // SAFETY: both are alive; the outer one owns and frees the inner one from now on.
        unsafe { sys::nftnl_expr_add_expr(self.0, attribute, inner.0) };
        self
    }

    pub(crate) fn text(self, attribute: Attribute, value: &str) -> Self {
        let value = CString::new(value).unwrap();
        // SAFETY: likewise; the text is copied.
        unsafe { sys::nftnl_expr_set_str(self.0, attribute as u16, value.as_ptr()) };
        self
    }

    pub(crate) fn bytes(self, attribute: Attribute, value: &[u8]) -> Self {
        let (data, len) = (value.as_ptr().cast(), u32::try_from(value.len()).unwrap());
        // SAFETY: likewise; `len` bytes are copied.
        unsafe { sys::nftnl_expr_set(self.0, attribute as u16, data, len) };
        self
    }
}

impl Rule {
    /// Hands an expression over to the rule.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the rule owns it from now on"
    )]
    pub(crate) fn push(&mut self, expression: Expression) {
        // SAFETY: both are alive; the rule owns and frees the expression from now on.
        unsafe { sys::nftnl_rule_add_expr(self.0, expression.0) };
    }
}

impl Set {
    /// Hands a statement of each element over to the set.
    #[expect(clippy::needless_pass_by_value, reason = "the set owns it from now on")]
    pub(crate) fn statement(&mut self, expression: Expression) {
        // SAFETY: both are alive; the set owns and frees the expression from now on.
        unsafe { sys::nftnl_set_add_expr(self.0, expression.0) };
    }

    /// Hands an element over to the set.
    pub(crate) fn push(&mut self, element: Element) {
        // SAFETY: both are alive; the set owns and frees the element from now on.
        unsafe { sys::nftnl_set_elem_add(self.0, element.0) };
        std::mem::forget(element);
    }
}

/// What is to be encoded.
pub(crate) enum Payload<'a> {
    Table(&'a Table),
    Chain(&'a Chain),
    Rule(&'a Rule),
    Set(&'a Set),
    Elements(&'a Set),
}

/// Encodes a message.
pub(crate) fn message(kind: u16, family: u8, payload: &Payload<'_>) -> Vec<u8> {
    // Aligned for nlmsghdr; a message of these tests is shorter.
    let mut buffer = vec![0_u64; 64 * 1024 / 8];
    let start = buffer.as_mut_ptr().cast();
    // SAFETY: the buffer is larger than the two headers.
    let header = unsafe { sys::nftnl_nlmsg_build_hdr(start, kind, family.into(), 0, 0) };
    match payload {
        // SAFETY: `header` begins a buffer larger than the message, and the object is alive.
        Payload::Table(it) => unsafe { sys::nftnl_table_nlmsg_build_payload(header, it.0) },
        // SAFETY: likewise.
        Payload::Chain(it) => unsafe { sys::nftnl_chain_nlmsg_build_payload(header, it.0) },
        // SAFETY: likewise.
        Payload::Rule(it) => unsafe { sys::nftnl_rule_nlmsg_build_payload(header, it.0) },
        // SAFETY: likewise.
        Payload::Set(it) => unsafe { sys::nftnl_set_nlmsg_build_payload(header, it.0) },
        // SAFETY: likewise.
        Payload::Elements(it) => unsafe { sys::nftnl_set_elems_nlmsg_build_payload(header, it.0) },
    }
    let header: *const libc::nlmsghdr = header;
    // SAFETY: the header was written by nftnl_nlmsg_build_hdr.
    let len = unsafe { (*header).nlmsg_len };
    buffer
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .take(len as usize)
        .collect()
}
