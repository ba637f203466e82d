//! Files and sites: ways to name an item, content down and up, names that are taken, tags that are stale, links,
//! search, and whose drive may be seen by whom.

use super::*;

const WRITES: &[&str] = &["Files.ReadWrite", "Sites.Read.All"];

fn path_of(url: &str) -> String {
    url.replace("http://127.0.0.1:1", "")
}

async fn root(rig: &Rig, token: &str) -> (String, String) {
    let item = rig.graph(token, "GET", "/me/drive/root", Value::Null).await;
    let drive = item.value()["parentReference"]["driveId"].as_str().unwrap().to_owned();
    (drive, id(&item))
}

#[tokio::test]
async fn content_comes_from_an_address_without_a_token() {
    let rig = Rig::new();
    let token = rig.token("alice", &["Files.Read"]).await;
    let by_path = rig.graph(&token, "GET", "/me/drive/root:/Documents/Notes.txt", Value::Null).await;
    assert_eq!((by_path.status, by_path.value()["file"]["mimeType"].as_str()), (200, Some("text/plain")));
    let (drive, _) = root(&rig, &token).await;
    let target = format!("/drives/{drive}/items/{}/content", id(&by_path));
    let redirect = rig.graph(&token, "GET", &target, Value::Null).await;
    assert_eq!(redirect.status, 302);
    let url = path_of(redirect.headers.get("location").unwrap());
    let plain = rig.call("GET", &url, &[], b"").await;
    assert!(plain.status == 200 && plain.body.starts_with(b"Ideas"));
    assert_eq!(rig.call("GET", &url, &[("authorization", "Bearer x")], b"").await.status, 401);
    let folder = rig.graph(&token, "GET", "/me/drive/root/content", Value::Null).await;
    assert_eq!((folder.status, code(&folder).as_str()), (400, "notAllowed"));
    let absent = rig.graph(&token, "GET", "/me/drive/root:/Documents/None.txt", Value::Null).await;
    assert_eq!((absent.status, code(&absent).as_str()), (404, "itemNotFound"));
}

#[tokio::test]
async fn writing_checks_names_tags_and_scopes() {
    let rig = Rig::new();
    let token = rig.token("alice", WRITES).await;
    let (drive, root) = root(&rig, &token).await;
    let children = format!("/drives/{drive}/items/{root}/children");
    let folder =
        |name: &str, on: &str| json!({ "name": name, "folder": {}, "@microsoft.graph.conflictBehavior": on });
    let make = async |body: Value| rig.graph(&token, "POST", &children, body).await;
    let made = make(folder("New", "fail")).await;
    assert_eq!((made.status, make(folder("new", "fail")).await.status), (201, 409));
    assert_eq!(make(folder("New", "rename")).await.value()["name"], "New 1");
    assert_eq!(make(folder("a:b", "fail")).await.status, 400);
    let bearer = format!("Bearer {token}");
    let put = async |name: &str, query: &str, tag: &str, bytes: &[u8]| {
        let headers = [("authorization", bearer.as_str()), ("content-type", "text/plain"), ("if-match", tag)];
        let target = format!("/graph/v1.0/drives/{drive}/items/{}:/{name}:/content{query}", id(&made));
        rig.call("PUT", &target, &headers, bytes).await
    };
    let first = put("a.txt", "", "*", b"one").await;
    let tag = first.value()["eTag"].as_str().unwrap().to_owned();
    assert_eq!((first.status, put("a.txt", "", &tag, b"two").await.status), (201, 200));
    let stale = put("a.txt", "", &tag, b"three").await;
    assert_eq!((stale.status, code(&stale).as_str()), (412, "resourceModified"));
    let taken = put("a.txt", "?@microsoft.graph.conflictBehavior=fail", "*", b"x").await;
    assert_eq!((taken.status, code(&taken).as_str()), (409, "nameAlreadyExists"));
    let item = format!("/drives/{drive}/items/{}", id(&first));
    let renamed = rig.graph(&token, "PATCH", &item, json!({ "name": "b.txt" })).await;
    assert_eq!((renamed.status, renamed.value()["name"].as_str()), (200, Some("b.txt")));
    let reader = rig.token("alice", &["Files.Read"]).await;
    assert_eq!(rig.graph(&reader, "DELETE", &item, Value::Null).await.status, 403);
    assert_eq!(rig.graph(&token, "DELETE", &item, Value::Null).await.status, 204);
}

#[tokio::test]
async fn uploads_in_parts_are_multiples_of_320_kibibytes() {
    let rig = Rig::new();
    let token = rig.token("alice", WRITES).await;
    let target = "/me/drive/root:/Documents/big.bin:/createUploadSession";
    let made = rig
        .graph(&token, "POST", target, json!({ "item": { "@microsoft.graph.conflictBehavior": "fail" } }))
        .await;
    assert_eq!(made.status, 200);
    let url = path_of(made.value()["uploadUrl"].as_str().unwrap());
    let put = async |range: &str, length: usize| {
        rig.call("PUT", &url, &[("content-range", range)], &vec![1; length]).await
    };
    assert_eq!(put("bytes 0-99/400000", 100).await.status, 400);
    let one = put("bytes 0-327679/400000", 327_680).await;
    assert_eq!((one.status, one.value()["nextExpectedRanges"][0].as_str()), (202, Some("327680-")));
    let last = put("bytes 327680-399999/400000", 72_320).await;
    assert_eq!((last.status, last.value()["size"].as_u64()), (201, Some(400_000)));
    assert_eq!(put("bytes 0-327679/400000", 327_680).await.status, 404, "the session is over");
}

#[tokio::test]
async fn links_search_and_sites() {
    let rig = Rig::new();
    let token = rig.token("alice", WRITES).await;
    let (drive, _) = root(&rig, &token).await;
    let notes = id(&rig.graph(&token, "GET", "/me/drive/root:/Documents/Notes.txt", Value::Null).await);
    let link = async |scope: &str| {
        let target = format!("/drives/{drive}/items/{notes}/createLink");
        rig.graph(&token, "POST", &target, json!({ "type": "view", "scope": scope })).await.status
    };
    assert_eq!(
        (link("organization").await, link("organization").await, link("anonymous").await),
        (201, 200, 403)
    );
    let found = async |words: &str| {
        let target = format!("/drives/{drive}/search(q='{words}')");
        rig.graph(&token, "GET", &target, Value::Null).await
    };
    assert_eq!(found("supplier").await.value()["value"][0]["name"], "Notes.txt");
    assert_eq!(found("Readme").await.value()["value"].as_array().unwrap().len(), 0, "not in the index");
    assert_eq!(found("it's").await.status, 400);
    let sites = rig.graph(&token, "GET", "/sites?search=intranet", Value::Null).await.value();
    let site = sites["value"][0]["id"].as_str().unwrap().to_owned();
    let drives = rig.graph(&token, "GET", &format!("/sites/{site}/drives"), Value::Null).await.value();
    let library = drives["value"][0]["id"].as_str().unwrap().to_owned();
    let read = rig.graph(&token, "GET", &format!("/drives/{library}/root/children"), Value::Null).await;
    assert_eq!((read.status, read.value()["value"].as_array().unwrap().len()), (200, 2));
    let by_path =
        rig.graph(&token, "GET", "/sites/contoso.sharepoint.example:/sites/Intranet", Value::Null).await;
    assert_eq!(id(&by_path), site);
    let own_only = rig.token("alice", &["Files.Read"]).await;
    let denied = rig.graph(&own_only, "GET", &format!("/drives/{library}/root"), Value::Null).await;
    assert_eq!((denied.status, code(&denied).as_str()), (403, "accessDenied"));
    let dave = rig.token("dave", &["Files.Read.All"]).await;
    let of_alice = rig.graph(&dave, "GET", &format!("/drives/{drive}/root"), Value::Null).await;
    assert_eq!(of_alice.status, 403);
}
