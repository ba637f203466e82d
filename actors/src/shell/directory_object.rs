//! The Durable Object of one shard of the directory: reads a question, runs its turn, commits, answers.
//!
//! What holds here: only the edge and the objects of people can reach it, because no route leads here; a turn that fails
//! commits nothing.

// The attribute macro writes exported functions that carry no documentation of their own.
#![allow(missing_docs)]

use protocol::limits::QUESTION_BYTES_MAX;
use worker::{DurableObject, Env, Headers, Request, Response, Result, State, console_log, durable_object};

use super::durable_object::now;
use super::sql_rows::{SqlDisk, SqlRows};
use crate::directory::{Answer, answer, read_question};
use crate::log::LogLine;
use crate::store::{Table, Txn};
use crate::turn::{Commit as _, Fault};

/// One shard.
#[durable_object]
pub struct Directory {
    rows: std::result::Result<SqlRows, Fault>,
}

impl DurableObject for Directory {
    fn new(state: State, _env: Env) -> Self {
        Self { rows: SqlRows::open(&state, Table::OF_THE_DIRECTORY) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let bytes = request.bytes().await?;
        if bytes.len() > QUESTION_BYTES_MAX {
            return Response::error("the question is too large", 413);
        }
        match self.turn(&bytes) {
            Ok(Some(Answer { status, body })) => {
                let headers = Headers::new();
                headers.set("content-type", "application/json")?;
                let response = match body {
                    Some(body) => Response::from_bytes(body.into_bytes())?,
                    None => Response::empty()?,
                };
                Ok(response.with_status(status).with_headers(headers))
            }
            Ok(None) => Response::error("not a question of this server", 400),
            Err(fault) => {
                console_log!(
                    "{}",
                    LogLine::new("directory_fault", now()).with("fault", fault.to_string()).to_json()
                );
                Response::error("the directory cannot be read", 503)
            }
        }
    }
}

impl Directory {
    fn turn(&self, bytes: &[u8]) -> std::result::Result<Option<Answer>, Fault> {
        let rows = self.rows.as_ref().map_err(Clone::clone)?;
        let Some(question) = read_question(bytes) else { return Ok(None) };
        let mut txn = Txn::new(rows);
        let answer = answer(&mut txn, question, now())?;
        let (writes, _) = txn.finish();
        if !writes.is_empty() {
            SqlDisk(rows).commit(&writes)?;
        }
        Ok(Some(answer))
    }
}
