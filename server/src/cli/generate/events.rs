//! What sources saw of the people: rows of records, links and the truth.

use std::io::{self, Write};

use super::dice::{Dice, Purpose};
use super::names::{JUNK_COOKIES, JUNK_DEVICES};
use super::people::{BEGIN, END, Household, Households, Person};
use super::values::{
    account, address, call_centre_phone, cookie, device, email, network, phone, spelt_email,
};

/// Owners from here on are not persons but machines that many use.
const MACHINES: u64 = 1 << 40;
/// One kiosk stands for so many persons.
const PERSONS_A_KIOSK: u64 = 5_000;
/// One call centre serves so many persons.
const PERSONS_A_CALL_CENTRE: u64 = 10_000;

/// How much was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Made {
    /// Persons.
    pub persons: u64,
    /// Households, with those that members who left have founded.
    pub households: u64,
    /// Distinct identifiers, without junk.
    pub identifiers: u64,
    /// Rows of records.
    pub records: u64,
    /// Rows of links.
    pub links: u64,
    /// Values in those rows that are no identifier.
    pub junk: u64,
}

/// The three files of rows.
pub(super) struct Files<W: Write> {
    pub(super) records: csv::Writer<W>,
    pub(super) links: csv::Writer<W>,
    pub(super) truth: csv::Writer<W>,
}

/// An end of a link.
type End<'v> = (&'static str, &'v str);

/// One link, seen by one source.
struct Sighting<'v> {
    from: End<'v>,
    to: End<'v>,
    source: &'static str,
    kind: &'static str,
    /// In hundredths.
    weight: u64,
}

/// Where somebody lives.
pub(super) struct Home {
    pub(super) place: u64,
    address: String,
    network: String,
}

impl Home {
    fn new(place: u64) -> Self {
        Self { place, address: address(place).0, network: network(place) }
    }
}

/// Makes the rows, household after household; what it keeps in memory does not
/// grow with their number.
pub(super) struct Maker<W: Write> {
    seed: u64,
    persons: u64,
    pub(super) files: Files<W>,
    pub(super) made: Made,
    /// A home that its household left and no other has taken yet.
    vacated: Option<u64>,
    /// An apartment block whose address is given as one, and how many more households live in it.
    block: Option<(u64, u64)>,
}

impl<W: Write> Maker<W> {
    /// A maker of so many persons.
    pub(super) fn new(seed: u64, persons: u64, files: Files<W>) -> Self {
        Self { seed, persons, files, made: Made::default(), vacated: None, block: None }
    }

    /// Makes all rows, and tells after each household how many persons there are.
    pub(super) fn run(mut self, households: Option<u64>, mut tell: impl FnMut(u64)) -> io::Result<Made> {
        self.files.records.write_record([
            "system",
            "record_id",
            "account",
            "email",
            "more_emails",
            "phone",
            "name",
            "address",
            "city",
            "birth_year",
            "loyalty_tier",
            "marketing_consent",
            "updated_at",
        ])?;
        self.files.links.write_record([
            "from_ns",
            "from_value",
            "to_ns",
            "to_value",
            "source",
            "kind",
            "weight",
            "time",
        ])?;
        self.files.truth.write_record(["namespace", "value", "person", "household"])?;
        for household in Households::new(self.seed, self.persons, households) {
            self.household(household)?;
            tell(self.made.persons);
        }
        if let Some(place) = self.vacated.take() {
            self.truth("address", &address(place).0, None, "")?;
        }
        for kiosk in 0..(self.persons / PERSONS_A_KIOSK).max(1) {
            self.kiosk(kiosk)?;
        }
        for centre in 0..self.call_centres() {
            self.truth("phone", &call_centre_phone(centre), None, "")?;
        }
        self.files.records.flush()?;
        self.files.links.flush()?;
        self.files.truth.flush()?;
        Ok(self.made)
    }

    /// How many call centres there are, whose own number stands on many a record.
    pub(super) fn call_centres(&self) -> u64 {
        (self.persons / PERSONS_A_CALL_CENTRE).max(1)
    }

    fn truth(
        &mut self,
        namespace: &str,
        value: &str,
        person: Option<u64>,
        household: &str,
    ) -> io::Result<()> {
        let person = person.map(|number| format!("person-{number}")).unwrap_or_default();
        self.files.truth.write_record([namespace, value, &person, household])?;
        self.made.identifiers += 1;
        Ok(())
    }

    fn link(&mut self, seen: &Sighting<'_>, time: u64) -> io::Result<()> {
        let weight = format!("0.{:02}", seen.weight.min(99));
        let time = written_time(time);
        let row = [seen.from.0, seen.from.1, seen.to.0, seen.to.1, seen.source, seen.kind, &weight, &time];
        self.files.links.write_record(row)?;
        self.made.links += 1;
        Ok(())
    }

    /// A link that one or several sources saw one or several times.
    fn seen(&mut self, dice: &mut Dice, seen: Sighting<'_>, from: u64, until: u64) -> io::Result<()> {
        for _ in 0..1 + dice.weighted(&[70, 20, 10]) {
            let time = dice.between(from, until);
            self.link(&seen, time)?;
        }
        if dice.per_mille(150) {
            let other = if seen.source == "app" { "web" } else { "app" };
            let time = dice.between(from, until);
            self.link(&Sighting { source: other, weight: seen.weight - dice.between(0, 5), ..seen }, time)?;
        }
        Ok(())
    }

    fn household(&mut self, mut household: Household) -> io::Result<()> {
        let name = format!("household-{}", household.number);
        self.made.households += 1;
        let homes = self.homes(&mut household, &name)?;
        let founded = match household.leaver {
            None => None,
            Some(_) => {
                let name = format!("{name}-b");
                let home = Home::new(3 * household.number + 2);
                self.truth("address", &home.address, None, &name)?;
                self.truth("household_ip", &home.network, None, &name)?;
                self.made.households += 1;
                Some((name, home))
            }
        };
        let shared_device = (household.size > 1 && household.dice.per_mille(500))
            .then(|| device(self.seed, MACHINES / 2 + household.number, 0));
        if let Some(device) = &shared_device {
            self.truth("device", device, None, &name)?;
        }
        for number in household.first_person..household.first_person + household.size {
            let person = Person::new(self.seed, number);
            let (before, after) = homes.split_at(homes.len() - 1);
            let own =
                founded.as_ref().filter(|_| household.leaver.is_some_and(|(leaver, _)| leaver == number));
            let (old, current, since, name) = match own {
                Some((name, home)) => (homes.last(), home, household.leaver.map(|(_, at)| at), name),
                None => match after {
                    [home, ..] => (before.last(), home, household.moves_at, &name),
                    [] => continue,
                },
            };
            let lives = Lives { old, current, since, household: name };
            self.person(person, &household, &lives, shared_device.as_deref())?;
            self.made.persons += 1;
        }
        Ok(())
    }

    /// Where a household lived, the latest home last.
    fn homes(&mut self, household: &mut Household, name: &str) -> io::Result<Vec<Home>> {
        let number = household.number;
        let mut homes = Vec::new();
        let block = match self.block.take() {
            Some((place, left)) => {
                self.block = (left > 1).then_some((place, left - 1));
                Some(place)
            }
            None if household.dice.per_mille(1) && household.moves_at.is_none() => {
                let place = 3 * number;
                self.truth("address", &address(place).0, None, "")?;
                self.block = Some((place, household.dice.between(11, 29)));
                Some(place)
            }
            None => None,
        };
        let mut first = Home::new(3 * number);
        self.truth("household_ip", &first.network, None, name)?;
        if let Some(place) = block {
            // Flats of a block have networks of their own.
            first.place = place;
            first.address = address(place).0;
        }
        if household.moves_at.is_none() {
            if block.is_none() {
                self.truth("address", &first.address, None, name)?;
            }
            homes.push(first);
            return Ok(homes);
        }
        let mut next = Home::new(3 * number + 1);
        self.truth("household_ip", &next.network, None, name)?;
        match self.vacated.take() {
            // They move into what others have left.
            Some(place) if household.dice.per_mille(300) => {
                next.place = place;
                next.address = address(place).0;
            }
            kept => {
                if let Some(place) = kept {
                    self.truth("address", &address(place).0, None, "")?;
                }
            }
        }
        self.truth("address", &next.address, None, name)?;
        if block.is_none() {
            self.vacated = Some(first.place);
        }
        homes.push(first);
        homes.push(next);
        Ok(homes)
    }

    fn person(
        &mut self,
        mut person: Person,
        household: &Household,
        lives: &Lives<'_>,
        shared_device: Option<&str>,
    ) -> io::Result<()> {
        let (seed, number, owner) = (self.seed, person.number, Some(person.number));
        let account = person.is_customer.then(|| account(number));
        let emails: Vec<String> =
            (0..person.emails).map(|n| email(number, n, person.first, household.last)).collect();
        let phones: Vec<String> = (0..person.phones).map(|n| phone(number, n)).collect();
        let devices: Vec<String> = (0..person.devices).map(|n| device(seed, number, n)).collect();
        let cookies: Vec<String> = (0..person.cookies).map(|n| cookie(seed, number, n)).collect();
        if let Some(account) = &account {
            self.truth("account", account, owner, lives.household)?;
        }
        for (namespace, values) in
            [("email", &emails), ("phone", &phones), ("device", &devices), ("cookie", &cookies)]
        {
            for value in values {
                self.truth(namespace, value, owner, lives.household)?;
            }
        }
        self.traces(&mut person.dice, account.as_deref(), &emails, &phones, &devices, &cookies)?;
        self.at_home(&mut person.dice, lives, &devices, &cookies, shared_device, account.as_deref())?;
        self.mistakes(&mut person, account.as_deref(), emails.first().map(String::as_str))?;
        if let Some(account) = &account {
            let name = format!("{} {}", person.first, household.last);
            self.records(&mut person.dice, account, &name, &emails, &phones, lives)?;
        }
        Ok(())
    }

    /// What web and app saw of one person.
    fn traces(
        &mut self,
        dice: &mut Dice,
        account: Option<&str>,
        emails: &[String],
        phones: &[String],
        devices: &[String],
        cookies: &[String],
    ) -> io::Result<()> {
        // Whoever has no account is known by the first cookie.
        let anchor: End<'_> = match (account, cookies.first()) {
            (Some(account), _) => ("account", account),
            (None, Some(cookie)) => ("cookie", cookie),
            (None, None) => return Ok(()),
        };
        for value in cookies {
            let end: End<'_> = ("cookie", value);
            if end == anchor {
                continue;
            }
            // Some browsers are recognised by their looks alone, which joins nobody.
            let (source, kind, weight) = if dice.per_mille(80) {
                ("web", "fingerprint", dice.between(20, 40))
            } else if account.is_some() {
                ("web", "login", dice.between(85, 95))
            } else {
                ("web", "session", dice.between(60, 80))
            };
            self.seen(dice, Sighting { from: anchor, to: end, source, kind, weight }, BEGIN, END)?;
        }
        for value in devices {
            let (kind, weight) = if account.is_some() {
                ("login", dice.between(85, 95))
            } else {
                ("session", dice.between(55, 75))
            };
            let seen = Sighting { from: anchor, to: ("device", value), source: "app", kind, weight };
            self.seen(dice, seen, BEGIN, END)?;
        }
        if let (Some(device), Some(cookie)) = (devices.first(), cookies.first())
            && dice.per_mille(400)
        {
            let seen = Sighting {
                from: ("device", device),
                to: ("cookie", cookie),
                source: "web",
                kind: "session",
                weight: dice.between(55, 75),
            };
            self.seen(dice, seen, BEGIN, END)?;
        }
        for value in emails {
            if account.is_none() || dice.per_mille(250) {
                let to = cookies.last().map_or(anchor, |cookie| ("cookie", cookie.as_str()));
                let spelt = spelt_email(dice, value);
                let weight = dice.between(65, 80);
                let seen = Sighting {
                    from: ("email", &spelt),
                    to,
                    source: "mail",
                    kind: "newsletter_click",
                    weight,
                };
                self.seen(dice, seen, BEGIN, END)?;
            }
        }
        for value in phones {
            if let Some(device) = devices.first()
                && dice.per_mille(300)
            {
                let seen = Sighting {
                    from: ("phone", value),
                    to: ("device", device),
                    source: "app",
                    kind: "sms_code",
                    weight: dice.between(90, 98),
                };
                self.seen(dice, seen, BEGIN, END)?;
            }
        }
        Ok(())
    }

    /// What ties a person to its home and to the family's device.
    fn at_home(
        &mut self,
        dice: &mut Dice,
        lives: &Lives<'_>,
        devices: &[String],
        cookies: &[String],
        shared_device: Option<&str>,
        account: Option<&str>,
    ) -> io::Result<()> {
        let here: Option<End<'_>> = match (devices.first(), cookies.first(), account) {
            (Some(device), _, _) => Some(("device", device)),
            (None, Some(cookie), _) => Some(("cookie", cookie)),
            (None, None, Some(account)) => Some(("account", account)),
            (None, None, None) => None,
        };
        let Some(here) = here else { return Ok(()) };
        let since = lives.since.unwrap_or(BEGIN);
        for (home, from, until) in [(lives.old, BEGIN, since), (Some(lives.current), since, END)] {
            if let Some(home) = home
                && dice.per_mille(850)
            {
                let weight = dice.between(45, 65);
                let to = ("household_ip", home.network.as_str());
                let seen = Sighting { from: here, to, source: "web", kind: "network", weight };
                self.seen(dice, seen, from, until)?;
            }
        }
        if let Some(device) = shared_device {
            if let Some(account) = account {
                let weight = dice.between(55, 85);
                let seen = Sighting {
                    from: ("account", account),
                    to: ("device", device),
                    source: "app",
                    kind: "login",
                    weight,
                };
                self.seen(dice, seen, BEGIN, END)?;
            } else if let Some(cookie) = cookies.first() {
                // Who uses the family's device without an account is guessed by
                // one system, and seldom with more confidence than is due.
                let weight = if dice.per_mille(1) { dice.between(50, 65) } else { dice.between(30, 45) };
                let time = dice.between(BEGIN, END);
                let seen = Sighting {
                    from: ("cookie", cookie),
                    to: ("device", device),
                    source: "web",
                    kind: "session",
                    weight,
                };
                self.link(&seen, time)?;
            }
        }
        Ok(())
    }

    /// Links to strangers, mostly weak, and values that are no identifier.
    fn mistakes(
        &mut self,
        person: &mut Person,
        account: Option<&str>,
        email: Option<&str>,
    ) -> io::Result<()> {
        let dice = &mut person.dice;
        let wrong = dice.below(10_000);
        if wrong < 165 {
            let stranger = Person::new(self.seed, dice.below(self.persons));
            let here = account.map(|a| ("account", a)).or(email.map(|e| ("email", e)));
            if let Some(from) = here
                && stranger.cookies > 0
                && stranger.number != person.number
            {
                let theirs = cookie(self.seed, stranger.number, 0);
                // One wrong link in thirty is as strong as a right one that was seen once.
                let weight = if wrong < 5 { dice.between(50, 80) } else { dice.between(10, 35) };
                let time = dice.between(BEGIN, END);
                let (to, source, kind) = (("cookie", theirs.as_str()), "web", "match_partner");
                self.link(&Sighting { from, to, source, kind, weight }, time)?;
            }
        }
        if let Some(account) = account
            && dice.per_mille(15)
        {
            let to = match dice.below(2) {
                0 => ("device", dice.pick(JUNK_DEVICES)),
                _ => ("cookie", dice.pick(JUNK_COOKIES)),
            };
            let time = dice.between(BEGIN, END);
            let seen = Sighting { from: ("account", account), to, source: "app", kind: "login", weight: 90 };
            self.link(&seen, time)?;
            self.made.junk += 1;
        }
        Ok(())
    }

    /// A machine in a shop or a library that hundreds log in on.
    fn kiosk(&mut self, kiosk: u64) -> io::Result<()> {
        let mut dice = Dice::new(self.seed, Purpose::Kiosk, kiosk);
        let machine = device(self.seed, MACHINES + kiosk, 0);
        let browser = cookie(self.seed, MACHINES + kiosk, 0);
        self.truth("device", &machine, None, "")?;
        self.truth("cookie", &browser, None, "")?;
        for _ in 0..dice.between(200, 600).min(self.persons) {
            let person = Person::new(self.seed, dice.below(self.persons));
            let time = dice.between(BEGIN, END);
            let weight = dice.between(55, 80);
            if person.is_customer {
                let account = account(person.number);
                for to in [("device", machine.as_str()), ("cookie", browser.as_str())] {
                    let seen =
                        Sighting { from: ("account", &account), to, source: "kiosk", kind: "login", weight };
                    self.link(&seen, time)?;
                }
            } else {
                let theirs = cookie(self.seed, person.number, 0);
                let (from, to) = (("cookie", theirs.as_str()), ("device", machine.as_str()));
                self.link(&Sighting { from, to, source: "kiosk", kind: "session", weight }, time)?;
            }
        }
        Ok(())
    }
}

/// Where a person lives and lived.
pub(super) struct Lives<'h> {
    pub(super) old: Option<&'h Home>,
    pub(super) current: &'h Home,
    /// When it moved, in seconds of Unix time, if it did.
    pub(super) since: Option<u64>,
    household: &'h str,
}

/// Seconds of Unix time as RFC 3339.
pub(super) fn written_time(seconds: u64) -> String {
    match jiff::Timestamp::from_second(seconds as i64) {
        Ok(time) => time.to_string(),
        // All times lie between BEGIN and END.
        Err(_) => String::new(),
    }
}
