//! `kinfold token`.

use std::io::{self, Write};

use super::args::TokenArgs;
use super::failure::Failure;
use crate::tokens::{Tokens, new_token};

/// Makes a token: the entry of the file goes to standard output, the token itself to standard error.
pub(super) fn run(args: &TokenArgs) -> Result<(), Failure> {
    let (token, hash) = new_token().map_err(|error| Failure::failed(error.to_string()))?;
    let text = |text: &str| toml::Value::from(text).to_string();
    let mut entry = format!(
        "[[token]]\nname = {}\nhash = {}\nrole = {}\n",
        text(&args.name),
        text(&hash),
        text(&args.role)
    );
    if !args.hide.is_empty() {
        let hide: Vec<String> = args.hide.iter().map(|namespace| text(namespace)).collect();
        entry += &format!("hide = [{}]\n", hide.join(", "));
    }
    if let Some(expires) = &args.expires {
        entry += &format!("expires = {}\n", text(expires));
    }
    // An entry that a server would refuse is refused here.
    Tokens::parse(&entry, "token").map_err(|error| Failure::usage(error.why))?;
    let mut out = io::stdout().lock();
    writeln!(out, "{entry}")?;
    out.flush()?;
    writeln!(io::stderr(), "the token, which is kept nowhere: {token}")?;
    Ok(())
}
