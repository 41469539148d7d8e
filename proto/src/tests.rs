#![allow(clippy::unwrap_used)]
//! The contract keeps the rules that published protos are linted by.

mod document;

use prost::Message;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet};

fn ours() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(crate::FILE_DESCRIPTOR_SET).unwrap();
    let ours: Vec<_> = set.file.into_iter().filter(|file| file.package() == "kinfold.v1").collect();
    assert_eq!(ours.len(), 8);
    ours
}

fn messages(list: &[DescriptorProto], all: &mut Vec<DescriptorProto>) {
    for message in list {
        all.push(message.clone());
        messages(&message.nested_type, all);
    }
}

fn upper_snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

fn lower_snake(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn every_method_has_its_own_request_and_response() {
    let mut seen = Vec::new();
    for service in ours().iter().flat_map(|file| &file.service) {
        assert!(service.name().ends_with("Service"), "{}", service.name());
        for method in &service.method {
            assert_eq!(method.input_type(), format!(".kinfold.v1.{}Request", method.name()));
            assert_eq!(method.output_type(), format!(".kinfold.v1.{}Response", method.name()));
            seen.push(method.name().to_owned());
        }
    }
    assert_eq!(
        seen,
        [
            "Observe",
            "ObserveStream",
            "Forbid",
            "Require",
            "Release",
            "Retract",
            "Forget",
            "Readmit",
            "GetOutcome",
            "ResolvePerson",
            "BatchResolvePersons",
            "GetProfile",
            "GetHousehold",
            "ListIdentifiers",
            "Why",
            "WhyNot",
            "How",
            "WhatIf",
            "History",
            "Network",
            "Assert",
            "Query",
            "Parse",
            "Watch",
            "GetStats",
            "GetSchema",
            "PlanSchema",
            "ApplySchema",
            "Rebuild",
            "Check",
            "Backup",
            "Compact",
            "ExportPerson",
            "Audit"
        ]
    );
}

#[test]
fn names_and_enums_follow_the_rules() {
    let check_enum = |kind: &EnumDescriptorProto| {
        let prefix = upper_snake(kind.name());
        assert_eq!(kind.value[0].name(), format!("{prefix}_UNSPECIFIED"));
        assert_eq!(kind.value[0].number(), 0);
        assert!(kind.value.iter().all(|value| value.name().starts_with(&format!("{prefix}_"))), "{prefix}");
    };
    for file in ours() {
        assert!(file.name().starts_with("kinfold/v1/"), "{}", file.name());
        file.enum_type.iter().for_each(check_enum);
        let mut all = Vec::new();
        messages(&file.message_type, &mut all);
        for message in &all {
            message.enum_type.iter().for_each(check_enum);
            for field in &message.field {
                assert!(lower_snake(field.name()), "{}.{}", message.name(), field.name());
                // A sequence number is one everywhere: a full 64-bit count.
                if field.name() == "sequence" {
                    assert_eq!(field.r#type(), Type::Uint64, "{}", message.name());
                }
            }
        }
    }
}

/// Published documentation is made of the comments, so each element has one.
#[test]
fn everything_is_documented() {
    // Several checkouts may share what is built: the one that runs is asked.
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    for file in ours() {
        let text = std::fs::read_to_string(format!("{package}/{}", file.name())).unwrap();
        let mut last = "";
        for line in text.lines() {
            let code = line.trim();
            let element = !line.starts_with("import")
                && (code.ends_with('{')
                    || code.contains(" = ") && code.ends_with(';')
                    || code.starts_with("rpc "));
            assert!(!element || last.starts_with("//"), "{}: no comment above `{code}`", file.name());
            last = code;
        }
    }
}

/// Answers hold many values; one that is no element of the graph stays small.
#[test]
fn values_are_small() {
    assert!(size_of::<crate::v1::Value>() <= 32, "{}", size_of::<crate::v1::Value>());
}
