//! Addresses of hosts and networks: `inet` and `cidr`.

use std::net::IpAddr;

/// An address and how many of its bits name the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// 0 to 32, or to 128.
    bits: u8,
    /// A network, not a host in one: no bit behind the mask is set.
    cidr: bool,
}

const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 3;

impl Network {
    /// Reads `10.1.2.3`, `10.1.2.0/24`, `2001:db8::7/64`. `None` for what is no address, for an abbreviated
    /// one, for a mask that is too long, and for a `cidr` with bits behind its mask.
    pub fn parse(text: &str, cidr: bool) -> Option<Self> {
        let (address, mask) = match text.trim().split_once('/') {
            Some((address, mask)) => (address, Some(mask)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let all = width(address);
        let bits = match mask {
            None => all,
            Some(mask) => {
                let digits = !mask.is_empty() && mask.bytes().all(|byte| byte.is_ascii_digit());
                digits.then(|| mask.parse().ok())??
            }
        };
        let network = Self { address, bits, cidr };
        (bits <= all && !(cidr && network.has_host())).then_some(network)
    }

    /// The bytes of a field on the wire.
    pub fn field(self) -> Vec<u8> {
        let (family, address) = match self.address {
            IpAddr::V4(address) => (FAMILY_V4, address.octets().to_vec()),
            IpAddr::V6(address) => (FAMILY_V6, address.octets().to_vec()),
        };
        let length = if family == FAMILY_V4 { 4 } else { 16 };
        [vec![family, self.bits, u8::from(self.cidr), length], address].concat()
    }

    /// Reads the bytes of a field; `None` when they are none of an address.
    pub fn of_field(field: &[u8]) -> Option<Self> {
        let ([family, bits, cidr, length], rest) = field.split_first_chunk::<4>()?;
        let address = match (*family, *length) {
            (FAMILY_V4, 4) => IpAddr::from(<[u8; 4]>::try_from(rest).ok()?),
            (FAMILY_V6, 16) => IpAddr::from(<[u8; 16]>::try_from(rest).ok()?),
            _ => return None,
        };
        (*bits <= width(address)).then_some(Self { address, bits: *bits, cidr: *cidr != 0 })
    }

    fn has_host(self) -> bool {
        let (address, all) = match self.address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let host = all - u32::from(self.bits.min(width(self.address)));
        address & !u128::MAX.checked_shl(host).unwrap_or(0) != 0
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// As the server writes them: a host without its mask, a network always with it.
impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.bits == width(self.address) && !self.cidr {
            true => write!(f, "{}", self.address),
            false => write!(f, "{}/{}", self.address, self.bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_server_writes_them() {
        for (text, cidr, shown) in [
            ("10.1.2.3", false, "10.1.2.3"),
            (" 10.1.2.3/32 ", false, "10.1.2.3"),
            ("10.1.2.3/24", false, "10.1.2.3/24"),
            ("0.0.0.0/0", false, "0.0.0.0/0"),
            ("2001:DB8:0::7", false, "2001:db8::7"),
            ("::1/64", false, "::1/64"),
            ("10.1.2.3", true, "10.1.2.3/32"),
            ("10.1.2.0/24", true, "10.1.2.0/24"),
            ("::/0", true, "::/0"),
        ] {
            let network = Network::parse(text, cidr).unwrap();
            assert_eq!(network.to_string(), shown);
            assert_eq!(Network::of_field(&network.field()), Some(network));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "10.1.2",
            "10.1/16",
            "10.1.2.256",
            "10.1.2.3/33",
            "10.1.2.3/",
            "10.1.2.3/+8",
            "10.1.2.3/24/8",
            "::1/129",
            "fe80::1%eth0",
            "plant-7",
        ] {
            assert_eq!(Network::parse(text, false), None, "{text}");
        }
        assert_eq!(Network::parse("10.1.2.3/24", true), None, "a host is no network");
        assert_eq!(Network::parse("2001:db8::7/64", true), None);
    }

    #[test]
    fn bytes_of_something_else_are_no_address() {
        for field in [
            &b""[..],
            b"\x02\x20\0\x04\x0a\0\0",
            b"\x02\x21\0\x04\x0a\0\0\x01",
            b"\x03\x20\0\x04\x0a\0\0\x01",
        ] {
            assert_eq!(Network::of_field(field), None);
        }
    }
}
