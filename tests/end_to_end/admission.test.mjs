// Who is let in: tokens, scopes, sessions, hosts, origins, verbs, revisions, and the journey of a connection.
// Holds: a refusal comes before any effect, in the form that its standard asks for; a journey ends only in the
// browser and with the account that it was made for.
// Must never: give a reason away that helps a stranger, such as whose session an identifier is.
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { writeSettings } from "../tools/dev_vars.mjs";
import { mailTo, openSession, post, recordMark, records, request, toolCall } from "./client.mjs";
import { startStack } from "./harness.mjs";
