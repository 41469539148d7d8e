//! The spellings of identifiers: each belongs to one thing alone, whatever the seed.

use super::dice::{Dice, scrambled};
use super::names::{CITIES, MAIL_DOMAINS, STREETS};

/// A prime; also the most persons that can be made.
pub(super) const PRIME: u64 = 99_999_989;

/// A bijection of 64-bit numbers (the finaliser of SplitMix64, Steele, Lea and Flood 2014).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The number of a person as its identifiers show it.
pub(super) fn public_number(person: u64) -> u64 {
    scrambled(person, PRIME, 61_803_391)
}

/// The account number of a person.
pub(super) fn account(person: u64) -> String {
    format!("C{:08}", public_number(person))
}

/// A cookie of a person or a machine. `owner` is unique among all of them.
pub(super) fn cookie(seed: u64, owner: u64, number: u64) -> String {
    format!("ck-{:016x}", mixed(mixed(seed) ^ (owner << 8 | number)))
}

/// A device id: a random UUID (RFC 9562, version 4) by its looks.
pub(super) fn device(seed: u64, owner: u64, number: u64) -> String {
    let high = mixed(mixed(seed ^ 0xd) ^ (owner << 8 | number));
    let low = mixed(high);
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48) & 0x3fff,
        low & 0xffff_ffff_ffff
    )
}

/// A mobile number in E.164. `line` is 0 or 1.
pub(super) fn phone(person: u64, line: u64) -> String {
    let prefix = if line == 0 { "151" } else { "157" };
    format!("+49{prefix}{:08}", scrambled(person, PRIME, 38_196_601))
}

/// The number of a call centre, of which there are at most a few thousand.
pub(super) fn call_centre_phone(centre: u64) -> String {
    format!("+4930{:07}", 2_000_000 + centre)
}

/// A way to write a number that [`phone`] gave.
pub(super) fn spelt_phone(dice: &mut Dice, phone: &str) -> String {
    let (area, rest) = (phone.get(3..6).unwrap_or_default(), phone.get(6..).unwrap_or_default());
    let (first, last) = rest.split_at(rest.len().min(4));
    match dice.below(6) {
        0 => format!("0{area} {rest}"),
        1 => format!("+49 {area} {first} {last}"),
        2 => format!("0049{area}{rest}"),
        3 => format!("0{area}/{rest}"),
        4 => format!("(0{area}) {first}-{last}"),
        _ => phone.to_owned(),
    }
}

/// The `number`-th address of a person, from 0 to 2, in the normal spelling.
pub(super) fn email(person: u64, number: u64, first: &str, last: &str) -> String {
    let (first, last) = (first.to_lowercase(), last.to_lowercase());
    let unique = public_number(person);
    let domain = MAIL_DOMAINS[((unique + number) % MAIL_DOMAINS.len() as u64) as usize];
    match number {
        0 => format!("{first}.{last}{unique}@{domain}"),
        1 => format!("{last}-{first}{unique}@{domain}"),
        _ => format!("{first}_{unique}@{domain}"),
    }
}

/// A way to write an address that [`email`] gave.
pub(super) fn spelt_email(dice: &mut Dice, email: &str) -> String {
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    match dice.below(8) {
        0 => email.to_uppercase(),
        1 => format!("{local}@{}", domain.to_uppercase()),
        2 => format!("{local}+shop@{domain}"),
        3 => format!("{local}+news{}@{domain}", dice.between(1, 9)),
        _ => email.to_owned(),
    }
}

/// The place with this number: its address in the normal spelling and its city.
/// Places below 3 × [`PRIME`] are all different.
pub(super) fn address(place: u64) -> (String, &'static str) {
    let (block, place) = (place / PRIME, scrambled(place % PRIME, PRIME, 70_710_677));
    let street = STREETS[(place % STREETS.len() as u64) as usize];
    let place = place / STREETS.len() as u64;
    let house = 1 + place % 180;
    let town = place / 180 * 3 + block;
    let city = CITIES[(town % CITIES.len() as u64) as usize];
    let text = format!("{street} {house}, {:05} {city}", 10_000 + town % 90_000);
    (text.to_lowercase(), city)
}

/// A way to write an address that [`address`] gave.
pub(super) fn spelt_address(dice: &mut Dice, address: &str) -> String {
    match dice.below(5) {
        0 => address.to_owned(),
        1 => address.to_uppercase(),
        _ => address
            .split(' ')
            .map(|word| {
                let mut letters = word.chars();
                match letters.next() {
                    Some(first) => first.to_uppercase().chain(letters).collect(),
                    None => String::new(),
                }
            })
            .collect::<Vec<String>>()
            .join(" "),
    }
}

/// The network of a home: a /64 out of the prefix for documentation (RFC 3849).
pub(super) fn network(place: u64) -> String {
    // A bijection of 32 bits: an odd factor, then an offset.
    let bits = (place as u32).wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a_7c15);
    format!("2001:db8:{:x}:{:x}::/64", bits >> 16, bits & 0xffff)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn values_belong_to_one_alone() {
        let count = 60_000;
        let distinct =
            |make: &dyn Fn(u64) -> String| (0..count).map(make).collect::<BTreeSet<_>>().len() as u64;
        assert_eq!(distinct(&account), count);
        assert_eq!(distinct(&|n| cookie(1, n, n % 3)), count);
        assert_eq!(distinct(&|n| device(1, n, n % 3)), count);
        assert_eq!(distinct(&|n| phone(n / 2, n % 2)), count);
        assert_eq!(distinct(&|n| email(n / 3, n % 3, "Ada", "Ufer")), count);
        assert_eq!(distinct(&|n| address(n).0), count);
        assert_eq!(distinct(&|n| address(n % 3 * PRIME + n / 3).0), count);
        assert_eq!(distinct(&network), count);
    }

    #[test]
    fn values_look_as_they_should() {
        assert_eq!(account(0).len(), 9);
        assert_eq!(phone(7, 0).len(), 14);
        assert_eq!(call_centre_phone(4_999), "+49302004999");
        let device = device(1, 2, 3);
        assert_eq!((device.len(), device.as_bytes()[14], device.matches('-').count()), (36, b'4', 4));
        assert!(network(5).starts_with("2001:db8:"));
    }
}
