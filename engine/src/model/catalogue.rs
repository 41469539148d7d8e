//! Names as small numbers.

use hashbrown::HashMap;

use super::{AttributeId, KindId, NamespaceId, SourceId};

/// A list of names that only grows; a name's number is its place in it.
#[derive(Clone, Debug, Default)]
pub struct Names {
    list: Vec<String>,
    numbers: HashMap<String, u16>,
}

/// A catalogue holds no more than 65,536 names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store already knows 65,536 names of {what}s, the most it can hold")]
pub struct CatalogueFull {
    /// What is named: `namespace`, `source`, `kind` or `attribute`.
    pub what: &'static str,
}

impl Names {
    /// The number of `name`.
    pub fn number(&self, name: &str) -> Option<u16> {
        // A few are faster compared than hashed.
        if self.list.len() <= 16 {
            return self.list.iter().position(|known| known == name).map(|at| at as u16);
        }
        self.numbers.get(name).copied()
    }

    /// The name with this number.
    pub fn name(&self, number: u16) -> Option<&str> {
        self.list.get(usize::from(number)).map(String::as_str)
    }

    /// The names in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(String::as_str)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn add(&mut self, name: &str, what: &'static str) -> Result<u16, CatalogueFull> {
        if let Some(number) = self.number(name) {
            return Ok(number);
        }
        let number = u16::try_from(self.list.len()).map_err(|_| CatalogueFull { what })?;
        self.list.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        Ok(number)
    }
}

impl FromIterator<String> for Names {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        let list: Vec<String> = names.into_iter().collect();
        let numbers = list.iter().enumerate().map(|(i, name)| (name.clone(), i as u16)).collect();
        Self { list, numbers }
    }
}

/// Every name that a store has numbered.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Names of namespaces, by [`NamespaceId`].
    pub namespaces: Names,
    /// Names of sources, by [`SourceId`].
    pub sources: Names,
    /// Names of link kinds, by [`KindId`].
    pub kinds: Names,
    /// Names of attributes, by [`AttributeId`].
    pub attributes: Names,
}

macro_rules! entry {
    ($number:ident, $name:ident, $add:ident, $field:ident, $id:ident, $what:literal) => {
        #[doc = concat!("The number of the ", $what, " called `name`.")]
        pub fn $number(&self, name: &str) -> Option<$id> {
            self.$field.number(name).map($id::new)
        }

        #[doc = concat!("The name of a ", $what, "; empty for a number that was never given.")]
        pub fn $name(&self, id: $id) -> &str {
            self.$field.name(id.get()).unwrap_or_default()
        }

        #[doc = concat!("The number of the ", $what, " called `name`, given now if it had none.")]
        pub fn $add(&mut self, name: &str) -> Result<$id, CatalogueFull> {
            self.$field.add(name, $what).map($id::new)
        }
    };
}

impl Catalogue {
    entry!(namespace, namespace_name, add_namespace, namespaces, NamespaceId, "namespace");
    entry!(source, source_name, add_source, sources, SourceId, "source");
    entry!(kind, kind_name, add_kind, kinds, KindId, "kind");
    entry!(attribute, attribute_name, add_attribute, attributes, AttributeId, "attribute");
}
