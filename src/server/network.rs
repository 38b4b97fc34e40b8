//! Networks of addresses, `10.0.0.0/8`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether the address lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(its)) => {
                let shift = 32 - u32::from(self.bits);
                u64::from(own.to_bits()) >> shift == u64::from(its.to_bits()) >> shift
            }
            (IpAddr::V6(own), IpAddr::V6(its)) => {
                let shift = 128 - u32::from(self.bits);
                own.to_bits().checked_shr(shift) == its.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = &'static str;

    /// An address, or an address and the number of bits that count. A network of everybody is refused:
    /// whoever trusts it trusts anybody's word.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "not a network such as 10.0.0.0/8, or an address";
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().map_err(|_| wrong)?
            }
            Some(_) => return Err(wrong),
        };
        match bits {
            0 => Err("this is everybody; name the proxy's own address or network"),
            bits if bits <= most => Ok(Self { address, bits }),
            _ => Err(wrong),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses() {
        let contains = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("10.0.0.1", "10.0.0.1") && !contains("10.0.0.1", "10.0.0.2"));
        assert!(contains("10.0.0.1", "::ffff:10.0.0.1"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1"));
        assert!(!contains("2001:db8::/32", "2001:db9::1") && !contains("::1", "127.0.0.1"));
        for text in
            ["", "*", "0.0.0.0/0", "::/0", "10.0.0.0/33", "10.0.0.0/x", "10.0.0.0/+8", "a/8"]
        {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
