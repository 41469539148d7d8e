//! Every call that has one answer.

use kinfold_proto::v1;
use kinfold_proto::v1::admin_service_client::AdminServiceClient;
use kinfold_proto::v1::explain_service_client::ExplainServiceClient;
use kinfold_proto::v1::ingest_service_client::IngestServiceClient;
use kinfold_proto::v1::lookup_service_client::LookupServiceClient;
use kinfold_proto::v1::query_service_client::QueryServiceClient;

use crate::client::{Client, MAX_MESSAGE_BYTES};
use crate::error::ClientError;
use crate::retry::Again;

/// Methods of one service, each with whether it can be made twice without harm.
macro_rules! calls {
    ($service:ident: $($(#[$about:meta])* $name:ident($asked:ident) -> $answered:ident, $again:expr;)*) => {
        impl Client {
            $(
                $(#[$about])*
                pub async fn $name(&self, request: v1::$asked) -> Result<v1::$answered, ClientError> {
                    let again: fn(&v1::$asked) -> Again = $again;
                    self.call(again(&request), request, |wire, request| async move {
                        let mut service = $service::new(wire).max_decoding_message_size(MAX_MESSAGE_BYTES);
                        service.$name(request).await
                    })
                    .await
                }
            )*
        }
    };
}

calls! { IngestServiceClient:
    /// Writes one batch; answers once it is on disk. Tried again where it has a request id.
    observe(ObserveRequest) -> ObserveResponse, |it| Again::named(&it.request_id);
    /// Forbids a pair: the two are never one person. Tried again where it has a request id.
    forbid(ForbidRequest) -> ForbidResponse, |it| Again::named(&it.request_id);
    /// Requires a pair: the two are one person. Tried again where it has a request id.
    require(RequireRequest) -> RequireResponse, |it| Again::named(&it.request_id);
    /// Takes a forbid or a require back. Tried again where it has a request id.
    release(ReleaseRequest) -> ReleaseResponse, |it| Again::named(&it.request_id);
    /// Withdraws evidence. Tried again where it has a request id.
    retract(RetractRequest) -> RetractResponse, |it| Again::named(&it.request_id);
    /// Erases identifiers, and has the files searched for them. Tried again where it has
    /// a request id, or writes nothing.
    forget(ForgetRequest) -> ForgetResponse,
        |it| if it.dry_run { Again::Safe } else { Again::named(&it.request_id) };
    /// Lets a forgotten identifier in again. Tried again where it has a request id.
    readmit(ReadmitRequest) -> ReadmitResponse, |it| Again::named(&it.request_id);
    /// What became of a batch that was sent under a request id.
    get_outcome(GetOutcomeRequest) -> GetOutcomeResponse, |_| Again::Safe;
}

calls! { LookupServiceClient:
    /// The person whom an identifier belongs to.
    resolve_person(ResolvePersonRequest) -> ResolvePersonResponse, |_| Again::Safe;
    /// The same for up to 1,000, all from one state of the store.
    batch_resolve_persons(BatchResolvePersonsRequest) -> BatchResolvePersonsResponse, |_| Again::Safe;
    /// All that is known of a person.
    get_profile(GetProfileRequest) -> GetProfileResponse, |_| Again::Safe;
    /// A household and its persons.
    get_household(GetHouseholdRequest) -> GetHouseholdResponse, |_| Again::Safe;
    /// The identifiers of a person, page by page.
    list_identifiers(ListIdentifiersRequest) -> ListIdentifiersResponse, |_| Again::Safe;
}

calls! { ExplainServiceClient:
    /// Why two identifiers are one person.
    why(WhyRequest) -> WhyResponse, |_| Again::Safe;
    /// Why two identifiers are not one person.
    why_not(WhyNotRequest) -> WhyNotResponse, |_| Again::Safe;
    /// How a person came to be.
    how(HowRequest) -> HowResponse, |_| Again::Safe;
    /// Who a person would be otherwise.
    what_if(WhatIfRequest) -> WhatIfResponse, |_| Again::Safe;
    /// What happened to a person.
    history(HistoryRequest) -> HistoryResponse, |_| Again::Safe;
    /// The links around somebody.
    network(NetworkRequest) -> NetworkResponse, |_| Again::Safe;
    /// What becomes of assertions about who is and who is not one person.
    assert(AssertRequest) -> AssertResponse, |_| Again::Safe;
}

calls! { QueryServiceClient:
    /// What is wrong with a query's text, and what may stand at its cursor.
    parse(ParseRequest) -> ParseResponse, |_| Again::Safe;
}

calls! { AdminServiceClient:
    /// The store's figures.
    get_stats(GetStatsRequest) -> GetStatsResponse, |_| Again::Safe;
    /// The schema in force.
    get_schema(GetSchemaRequest) -> GetSchemaResponse, |_| Again::Safe;
    /// What a schema would change; nothing is written.
    plan_schema(PlanSchemaRequest) -> PlanSchemaResponse, |_| Again::Safe;
    /// Puts a schema in force. Made once: look with `get_schema` whether it was.
    apply_schema(ApplySchemaRequest) -> ApplySchemaResponse, |_| Again::Unsafe;
    /// Checks the store on the server.
    check(CheckRequest) -> CheckResponse, |_| Again::Safe;
    /// Resolves the whole store again. A store that is whole does not change, so that it may be done twice.
    rebuild(RebuildRequest) -> RebuildResponse, |_| Again::Safe;
    /// Makes a copy of the store on the server's machine. Made once.
    backup(BackupRequest) -> BackupResponse, |_| Again::Unsafe;
    /// Rewrites the store's files.
    compact(CompactRequest) -> CompactResponse, |_| Again::Safe;
    /// Who asked what about whom, page by page.
    audit(AuditRequest) -> AuditResponse, |_| Again::Safe;
}
