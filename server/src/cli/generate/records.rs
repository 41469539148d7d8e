//! The rows of the systems of record.

use std::io::{self, Write};

use super::dice::Dice;
use super::events::{Lives, Maker, written_time};
use super::names::{CONSENT, JUNK_EMAILS, JUNK_PHONES, TIERS};
use super::people::{BEGIN, END};
use super::values::{address, call_centre_phone, spelt_address, spelt_email, spelt_phone};

/// A row of a system of records.
struct Record<'v> {
    system: &'static str,
    account: &'v str,
    email: String,
    more_emails: String,
    phone: String,
    name: String,
    place: u64,
    time: u64,
}

impl<W: Write> Maker<W> {
    /// What the systems of record hold of a customer.
    pub(super) fn records(
        &mut self,
        dice: &mut Dice,
        account: &str,
        name: &str,
        emails: &[String],
        phones: &[String],
        lives: &Lives<'_>,
    ) -> io::Result<()> {
        let main = emails.first().map(String::as_str).unwrap_or_default();
        let more = emails.get(1..).unwrap_or_default();
        let phone = |dice: &mut Dice, at: usize| match phones.get(at).or(phones.first()) {
            Some(phone) => spelt_phone(dice, phone),
            None => String::new(),
        };
        let birth_year = dice.between(1940, 2007);
        let since = lives.since.unwrap_or(BEGIN);
        // Who has moved told one system before and another after.
        let first_home = lives.old.unwrap_or(lives.current);
        let first_time =
            if lives.old.is_some() { dice.between(BEGIN, since) } else { dice.between(BEGIN, END) };
        let mut record = Record {
            system: "crm",
            account,
            email: spelt_email(dice, main),
            more_emails: more.join(";"),
            phone: phone(dice, 0),
            name: name.to_owned(),
            place: first_home.place,
            time: first_time,
        };
        if dice.per_mille(15) {
            let junk = dice.pick(JUNK_EMAILS);
            record.more_emails =
                if more.is_empty() { junk.to_owned() } else { format!("{};{junk}", more.join(";")) };
            self.made.junk += 1;
        }
        if record.phone.is_empty() {
            if dice.per_mille(40) {
                record.phone = dice.pick(JUNK_PHONES).to_owned();
                self.made.junk += 1;
            } else if dice.per_mille(30) {
                // The agent who made the record filled in the number of the desk.
                record.phone = call_centre_phone(dice.below(self.call_centres()));
            }
        }
        self.record(dice, &record, birth_year)?;
        if lives.old.is_some() || dice.per_mille(200) {
            let record = Record {
                system: "shop",
                account,
                email: spelt_email(dice, main),
                more_emails: String::new(),
                phone: phone(dice, 1),
                name: if dice.per_mille(300) { shortened(name) } else { name.to_owned() },
                place: lives.current.place,
                time: dice.between(since, END),
            };
            self.record(dice, &record, birth_year)?;
        } else if phones.len() > 1 {
            // The second number is known to the service desk alone.
            let record = Record {
                system: "support",
                account,
                email: main.to_owned(),
                more_emails: String::new(),
                phone: phone(dice, 1),
                name: name.to_owned(),
                place: lives.current.place,
                time: dice.between(since, END),
            };
            self.record(dice, &record, birth_year)?;
        }
        Ok(())
    }

    fn record(&mut self, dice: &mut Dice, record: &Record<'_>, birth_year: u64) -> io::Result<()> {
        let (address, city) = address(record.place);
        let address = spelt_address(dice, &address);
        let tier = TIERS[dice.weighted(&[50, 28, 15, 7]) as usize];
        let consent = CONSENT[dice.weighted(&[64, 28, 8]) as usize];
        let id = format!("{}-{:09}", record.system, self.made.records + 1);
        self.files.records.write_record([
            record.system,
            &id,
            record.account,
            &record.email,
            &record.more_emails,
            &record.phone,
            &record.name,
            &address,
            city,
            &birth_year.to_string(),
            tier,
            consent,
            &written_time(record.time),
        ])?;
        self.made.records += 1;
        Ok(())
    }
}

/// `Ada Ufer` as `A. Ufer`.
fn shortened(name: &str) -> String {
    let (first, last) = name.split_once(' ').unwrap_or((name, ""));
    format!("{}. {last}", first.chars().next().unwrap_or('X'))
}
