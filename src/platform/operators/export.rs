//! A ledger as a file: the edge asks the object page by page, as the platform pulls.
//!
//! What holds here: one page is in memory at a time; a file that breaks off lacks its checkpoint, so that nobody takes it
//! for a whole one.

use protocol::ids::{RequestId, UserKey};
use protocol::operator::record::{Checkpoint, ExportItem, ExportPage, Head};
use protocol::operator::{ExportQuery, Order};
use web_sys::Response;
use worker::{Env, Headers, Result};

use super::ask::Asking;
use crate::operators::Operator;
use crate::operators::api::Trouble;
use crate::operators::request::Encoding;

/// How far an export is.
enum Place {
    Lines(Option<RequestId>),
    End,
    Over,
}

/// Streams the ledger of a person.
pub(super) async fn stream(
    asking: Asking<'_>,
    user: UserKey,
    encoding: Encoding,
) -> std::result::Result<Result<Response>, Trouble> {
    asking.person(&user).await?.ok_or(Trouble::NotFound)?;
    let head: Head = asking.order(&user, Order::ExportHead).await?.ok_or(Trouble::NotFound)?;
    let up_to = head.newest.sequence;
    let first = write(&ExportItem::Head(head), encoding).ok_or(Trouble::Unavailable)?;
    Ok(respond(asking, user, encoding, up_to, first))
}

fn respond(
    asking: Asking<'_>,
    user: UserKey,
    encoding: Encoding,
    up_to: u64,
    first: Vec<u8>,
) -> Result<Response> {
    let headers = Headers::new();
    headers.set("content-type", encoding.media_type())?;
    headers.set("cache-control", "no-store")?;
    headers.set("x-content-type-options", "nosniff")?;
    let name = format!("attachment; filename=\"ledger-{user}.{}\"", encoding.ending());
    headers.set("content-disposition", &name)?;
    // The body outlives this request's handler.
    let (env, operator): (Env, Operator) = (asking.env.clone(), asking.operator.clone());
    let start = (Place::Lines(None), Some(first));
    let chunks =
        futures::stream::unfold((start, env, operator), move |((place, ready), env, operator)| async move {
            if let Some(ready) = ready {
                return Some((Ok(ready), ((place, None), env, operator)));
            }
            let asking = Asking { env: &env, operator: &operator };
            let next = match place {
                Place::Over => return None,
                Place::Lines(after) => lines(asking, user, encoding, ExportQuery { after, up_to }).await,
                Place::End => end(asking, user, encoding).await,
            };
            Some(match next {
                Ok((chunk, place)) => (Ok(chunk), ((place, None), env, operator)),
                Err(_) => {
                    let broken = worker::Error::RustError("the object did not answer".to_owned());
                    (Err(broken), ((Place::Over, None), env, operator))
                }
            })
        });
    Ok(worker::Response::from_stream(chunks)?.with_headers(headers).into())
}

async fn lines(
    asking: Asking<'_>,
    user: UserKey,
    encoding: Encoding,
    query: ExportQuery,
) -> std::result::Result<(Vec<u8>, Place), Trouble> {
    let page: ExportPage = asking.order(&user, Order::Export(query)).await?.ok_or(Trouble::NotFound)?;
    let mut chunk = Vec::new();
    for line in page.lines {
        chunk.extend(write(&ExportItem::Line(Box::new(line)), encoding).ok_or(Trouble::Unavailable)?);
    }
    let place = page.after.map_or(Place::End, |after| Place::Lines(Some(after)));
    Ok((chunk, place))
}

async fn end(
    asking: Asking<'_>,
    user: UserKey,
    encoding: Encoding,
) -> std::result::Result<(Vec<u8>, Place), Trouble> {
    let checkpoint: Checkpoint = asking.order(&user, Order::ExportEnd).await?.ok_or(Trouble::NotFound)?;
    let chunk = write(&ExportItem::Checkpoint(checkpoint), encoding).ok_or(Trouble::Unavailable)?;
    Ok((chunk, Place::Over))
}

fn write(item: &ExportItem, encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::NdJson => {
            let mut line = serde_json::to_vec(item).ok()?;
            line.push(b'\n');
            Some(line)
        }
        Encoding::Cbor => protocol::cbor::encode(item),
    }
}
