//! `docs/api.md`: the contract as the comments of its files tell it.

use std::collections::HashMap;
use std::fmt::Write as _;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};

use super::ours;

/// Numbers of `google.protobuf.FileDescriptorProto` and its parts, by which comments are placed.
const MESSAGES: i32 = 4;
const ENUMS: i32 = 5;
const SERVICES: i32 = 6;
const FIELDS: i32 = 2;
const METHODS: i32 = 2;
const VALUES: i32 = 2;

/// The page: a change of the protos that it does not show fails; with KINFOLD_WRITE
/// set it is written anew.
#[test]
fn the_page_of_the_api_is_what_the_protos_say() {
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let path = format!("{package}/../docs/api.md");
    let page = page();
    if std::env::var_os("KINFOLD_WRITE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/api.md is not what the protos say; write it anew: KINFOLD_WRITE=1 cargo test -p kinfold-proto"
    );
}

fn page() -> String {
    let mut out = String::from(
        "# The gRPC API\n\nMade of the comments in `proto/kinfold/v1`, package `kinfold.v1`; change them \
         there. `grpc.health.v1.Health` and server reflection (v1 and v1alpha) are served beside it.\n\n\
         A refusal has a canonical code, a message for people, and details of `google.rpc`: `ErrorInfo` with a \
         stable reason in the domain `kinfold`, `BadRequest` with the field at fault, `QuotaFailure` with the \
         limit that was met, `PreconditionFailure`, and `RetryInfo` where coming back later helps.\n\n\
         Every call but those to health needs a token where the server has tokens: the header \
         `authorization: Bearer TOKEN`. [Operations](operations.md) says which role each method needs.\n",
    );
    let files = ours();
    for file in &files {
        let comments = comments(file);
        for (at, service) in (0..).zip(&file.service) {
            let path = [SERVICES, at];
            write!(out, "\n## {}\n\n{}\n", service.name(), said(&comments, &path)).unwrap();
            for (at, method) in (0..).zip(&service.method) {
                let stream = |is: bool| if is { "stream " } else { "" };
                write!(
                    out,
                    "\n### {}\n\n`{}` ({}[{req}](#{req_at})) → {}[{res}](#{res_at})\n\n{}\n",
                    method.name(),
                    method.name(),
                    stream(method.client_streaming()),
                    stream(method.server_streaming()),
                    said(&comments, &[path.as_slice(), &[METHODS, at]].concat()),
                    req = short(method.input_type()),
                    req_at = short(method.input_type()).to_lowercase(),
                    res = short(method.output_type()),
                    res_at = short(method.output_type()).to_lowercase(),
                )
                .unwrap();
            }
        }
    }
    out += "\n## Messages\n";
    for file in &files {
        let comments = comments(file);
        for (at, message) in (0..).zip(&file.message_type) {
            describe(&mut out, &comments, &[MESSAGES, at], message);
        }
        for (at, kind) in (0..).zip(&file.enum_type) {
            list(&mut out, &comments, &[ENUMS, at], kind);
        }
    }
    out
}

fn describe(out: &mut String, comments: &HashMap<Vec<i32>, String>, path: &[i32], message: &DescriptorProto) {
    write!(out, "\n### {}\n\n{}\n", message.name(), said(comments, path)).unwrap();
    if message.field.is_empty() {
        return;
    }
    out.push_str("\n| field | type | |\n| --- | --- | --- |\n");
    for (at, field) in (0..).zip(&message.field) {
        let text = said(comments, &[path, &[FIELDS, at]].concat()).replace("\n\n", "<br>").replace('\n', " ");
        let text = text.replace('|', "\\|");
        writeln!(out, "| `{}` | {} | {text} |", field.name(), kind(message, field)).unwrap();
    }
}

fn list(out: &mut String, comments: &HashMap<Vec<i32>, String>, path: &[i32], kind: &EnumDescriptorProto) {
    write!(out, "\n### {}\n\n{}\n\n| value | |\n| --- | --- |\n", kind.name(), said(comments, path)).unwrap();
    for (at, value) in (0..).zip(&kind.value) {
        let text = said(comments, &[path, &[VALUES, at]].concat()).replace('\n', " ");
        writeln!(out, "| `{}` | {text} |", value.name()).unwrap();
    }
}

/// The type of a field, as a reader of the protos knows it.
fn kind(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let named = || {
        let name = short(field.type_name());
        if field.type_name().starts_with(".kinfold.") {
            format!("[{name}](#{})", name.to_lowercase())
        } else {
            name.to_owned()
        }
    };
    // A map is a list of entries of its own.
    let entry = message.nested_type.iter().find(|it| field.type_name().ends_with(&format!(".{}", it.name())));
    if let Some(entry) = entry {
        return format!("map of {} to {}", kind(entry, &entry.field[0]), kind(entry, &entry.field[1]));
    }
    let kind = match field.r#type() {
        Type::Message | Type::Enum => named(),
        Type::Double => "double".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::String => "string".to_owned(),
        Type::Bytes => "bytes".to_owned(),
        Type::Int32 => "int32".to_owned(),
        Type::Int64 => "int64".to_owned(),
        Type::Uint32 => "uint32".to_owned(),
        Type::Uint64 => "uint64".to_owned(),
        other => panic!("{}: no name for {other:?}", field.name()),
    };
    if field.label() == Label::Repeated {
        return format!("list of {kind}");
    }
    match field.oneof_index {
        Some(_) if field.proto3_optional() => format!("{kind}, optional"),
        Some(at) => format!("{kind}, one of `{}`", message.oneof_decl[at as usize].name()),
        None => kind,
    }
}

fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The comment above each element, by its place in the file.
fn comments(file: &FileDescriptorProto) -> HashMap<Vec<i32>, String> {
    let all = file.source_code_info.iter().flat_map(|info| &info.location);
    all.filter_map(|it| Some((it.path.clone(), it.leading_comments.clone()?))).collect()
}

fn said(comments: &HashMap<Vec<i32>, String>, path: &[i32]) -> String {
    let text = comments.get(path).map(String::as_str).unwrap_or_default();
    let lines = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
