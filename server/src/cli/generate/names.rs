//! Lists to make up people and places from. All domains are reserved for
//! documentation and examples (RFC 2606, RFC 6761), so no mailbox exists.

pub(super) const FIRST: &[&str] = &[
    "Ada", "Aino", "Alma", "Amir", "Anton", "Arda", "Astrid", "Bela", "Bente", "Bruno", "Carla", "Cem",
    "Clara", "Dana", "Darek", "David", "Edda", "Elif", "Emil", "Enno", "Erik", "Esra", "Fadi", "Felix",
    "Frida", "Gesa", "Goran", "Greta", "Hanna", "Hasan", "Henri", "Ida", "Ilja", "Imke", "Ines", "Jakob",
    "Jana", "Jonas", "Jule", "Kaan", "Karla", "Kilian", "Lale", "Lars", "Leila", "Lena", "Linus", "Lotte",
    "Luca", "Mara", "Marek", "Mats", "Meike", "Mila", "Milan", "Mona", "Nadia", "Nele", "Niklas", "Nora",
    "Ole", "Omar", "Oskar", "Paula", "Pia", "Piet", "Rana", "Rasmus", "Resi", "Romy", "Ruben", "Salma",
    "Samir", "Selma", "Sina", "Sven", "Tara", "Tessa", "Till", "Timo", "Tuva", "Ulla", "Uwe", "Vera",
    "Viktor", "Wanda", "Wim", "Yara", "Yusuf", "Zoe",
];

pub(super) const LAST: &[&str] = &[
    "Adler", "Amsel", "Anders", "Bach", "Bender", "Berg", "Birk", "Brandt", "Buche", "Burger", "Celik",
    "Dahl", "Decker", "Demir", "Dorn", "Eiche", "Elster", "Engel", "Falk", "Feld", "Fink", "Fischer",
    "Forster", "Frost", "Garten", "Geiger", "Graf", "Gruen", "Haas", "Hafner", "Hahn", "Hansen", "Hecht",
    "Heide", "Hirsch", "Horn", "Imhof", "Jansen", "Kaya", "Keller", "Kern", "Kiefer", "Klee", "Kolb",
    "Kovac", "Kranz", "Kruse", "Lang", "Lenz", "Linde", "Lorenz", "Lund", "Maier", "Marder", "Moor",
    "Mueller", "Nagel", "Nowak", "Ofner", "Oster", "Pohl", "Quast", "Rabe", "Reh", "Richter", "Ritter",
    "Rohr", "Roth", "Sander", "Sauer", "Schmied", "Specht", "Stein", "Stern", "Storm", "Sturm", "Tanner",
    "Thal", "Tiede", "Ufer", "Urban", "Vogel", "Voss", "Wald", "Weber", "Weide", "Winter", "Wolf", "Yilmaz",
    "Zander", "Zeller", "Ziegler",
];

pub(super) const MAIL_DOMAINS: &[&str] =
    &["example.com", "example.net", "example.org", "post.example", "mail.example", "inbox.example"];

pub(super) const STREETS: &[&str] = &[
    "Ahornweg",
    "Am Anger",
    "Am Hang",
    "Amselweg",
    "An der Furt",
    "Bachgasse",
    "Bergstrasse",
    "Birkenallee",
    "Brunnenweg",
    "Buchenring",
    "Dorfstrasse",
    "Eichenweg",
    "Erlengrund",
    "Feldrain",
    "Fichtenweg",
    "Gartenstrasse",
    "Hafenstrasse",
    "Haselweg",
    "Heideweg",
    "Hofgasse",
    "Im Winkel",
    "Kastanienallee",
    "Kirchgasse",
    "Lindenstrasse",
    "Marktplatz",
    "Mauerweg",
    "Mittelgasse",
    "Muehlweg",
    "Nordring",
    "Obere Gasse",
    "Parkallee",
    "Ringstrasse",
    "Rosenweg",
    "Schulstrasse",
    "Seeufer",
    "Sonnenhang",
    "Suedring",
    "Tannenweg",
    "Uferweg",
    "Ulmenallee",
    "Untere Gasse",
    "Wallstrasse",
    "Weidenweg",
    "Wiesengrund",
];

pub(super) const CITIES: &[&str] = &[
    "Altenfurt",
    "Birkenau am See",
    "Brunnthal",
    "Doernheim",
    "Eichstetten",
    "Erlenbach",
    "Falkenried",
    "Grossfelden",
    "Hainburg",
    "Kaltenbrunn",
    "Kleinmoor",
    "Lindenau",
    "Marktwald",
    "Neuhafen",
    "Oberlenz",
    "Rabenstein",
    "Seeberg",
    "Steinach",
    "Tannried",
    "Wallheim",
];

pub(super) const TIERS: &[&str] = &["none", "bronze", "silver", "gold"];
pub(super) const CONSENT: &[&str] = &["granted", "denied", "withdrawn"];

/// What applications send when they have no value.
pub(super) const JUNK_EMAILS: &[&str] =
    &["undefined", "null", "test@example.com", "test@post.example", "n/a"];
pub(super) const JUNK_PHONES: &[&str] = &["0", "null", "unknown"];
pub(super) const JUNK_DEVICES: &[&str] =
    &["00000000-0000-0000-0000-000000000000", "undefined", "ffffffff-ffff-ffff-ffff-ffffffffffff"];
pub(super) const JUNK_COOKIES: &[&str] = &["null", "[object Object]", "anonymous", "undefined"];
