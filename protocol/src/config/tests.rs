//! What the configuration must accept and refuse.

use super::*;

const SECRET_VALUE: &str = "s3cr3t-value-that-must-not-appear";

fn complete() -> Vec<(&'static str, String)> {
    vec![
        ("PUBLIC_URL", "https://mcp.example.com".into()),
        ("ACCESS_MODE", "open".into()),
        ("GRAPH_API_VERSION", "v1.0".into()),
        ("MICROSOFT_CLIENT_ID", "00000000-0000-4000-8000-00000000c11e".into()),
        ("MICROSOFT_CLIENT_SECRET", SECRET_VALUE.into()),
        ("MICROSOFT_TENANT_ID", "11111111-2222-4333-8444-555555555555".into()),
        ("EGRESS", "ai_run".into()),
        ("GATEWAY_ID", "m365-gateway".into()),
        ("ENCRYPTION_KEY", "1a".repeat(32)),
        ("COOKIE_ENCRYPTION_KEY", "2b".repeat(32)),
        ("COOKIE_SECRET", "3c".repeat(32)),
    ]
}

fn parse(settings: &[(&'static str, String)]) -> Result<Config, Vec<Problem>> {
    Config::from_settings(|name| {
        settings.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    })
}

fn with(name: &'static str, value: &str) -> Vec<(&'static str, String)> {
    let mut settings = complete();
    settings.retain(|(known, _)| *known != name);
    settings.push((name, value.to_owned()));
    settings
}

#[test]
fn numbers_have_a_default_and_a_range() {
    let config = parse(&complete()).unwrap();
    assert_eq!(
        (config.requests_per_minute, config.session_idle),
        (120, DurationMs::from_secs(7 * 24 * 3_600))
    );
    let config = parse(&with("STREAM_LIFETIME_SECONDS", "10")).unwrap();
    assert_eq!(config.stream_lifetime, DurationMs::from_secs(10));
    let config = parse(&with("SESSION_IDLE_MINUTES", " 5 ")).unwrap();
    assert_eq!(config.session_idle, DurationMs::from_secs(300));
    assert_eq!(parse(&with("RATE_LIMIT_PER_MINUTE", "1000000")).unwrap().requests_per_minute, 1_000_000);
    let wrong = ["4", "43201", "-5", "5.5", "five", "99999999999999999999"];
    let wrong = wrong.map(|value| ("SESSION_IDLE_MINUTES", value));
    for (setting, value) in
        wrong.into_iter().chain([("RATE_LIMIT_PER_MINUTE", "9"), ("RATE_LIMIT_PER_MINUTE", "1000001")])
    {
        let problems = parse(&with(setting, value)).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].setting, setting);
    }
}

#[test]
fn local_documents_are_read_by_local_servers_only() {
    let refused = |settings: &[(&'static str, String)]| {
        parse(settings).err().is_some_and(|problems| problems[0].setting == "LOCAL_CLIENT_DOCUMENTS")
    };
    let mut local = with("PUBLIC_URL", "http://127.0.0.1:8787");
    local.push(("LOCAL_CLIENT_DOCUMENTS", "http://127.0.0.1:4000".into()));
    assert!(parse(&local).is_ok());
    assert!(refused(&with("LOCAL_CLIENT_DOCUMENTS", "http://127.0.0.1:4000")), "a server on the internet");
    for origin in ["http://evil.example", "https://app.example", "http://127.0.0.1:4000/x", "127.0.0.1:4000"]
    {
        local.pop();
        local.push(("LOCAL_CLIENT_DOCUMENTS", origin.into()));
        assert!(refused(&local), "{origin}");
    }
}

#[test]
fn clients_and_registration_are_settings() {
    let config = parse(&complete()).unwrap();
    assert!(config.clients.may_register && config.clients.preregistered.is_empty());
    assert!(!parse(&with("REGISTRATION", "off")).unwrap().clients.may_register);
    for (setting, value) in [("REGISTRATION", "no"), ("CLIENTS", "{}"), ("REGISTRATIONS_PER_MINUTE", "0")] {
        assert_eq!(parse(&with(setting, value)).unwrap_err()[0].setting, setting);
    }
}

#[test]
fn a_complete_configuration_is_accepted() {
    let config = parse(&complete()).unwrap();
    assert_eq!(config.resource(), "https://mcp.example.com/mcp");
    assert_eq!(config.redirect_uri(), "https://mcp.example.com/callback");
    assert_eq!(config.microsoft.login_url, "https://login.microsoftonline.com");
    assert!(!format!("{config:?}").contains(SECRET_VALUE));
}

#[test]
fn every_missing_setting_is_named() {
    for (name, _) in complete() {
        let problems = parse(&with(name, "")).unwrap_err();
        assert_eq!(problems.len(), 1, "{name}: {problems:?}");
        assert_eq!(problems[0].setting, name);
    }
    assert_eq!(parse(&[]).unwrap_err().len(), complete().len());
}

#[test]
fn malformed_values_are_refused_and_never_repeated() {
    let cases = [
        ("PUBLIC_URL", "http://mcp.example.com"),
        ("PUBLIC_URL", "https://mcp.example.com/path"),
        ("PUBLIC_URL", "https://user@mcp.example.com"),
        ("PUBLIC_URL", "https://mcp.example.com?x=1"),
        ("PUBLIC_URL", "https://:443"),
        ("PUBLIC_URL", "mcp.example.com"),
        ("ACCESS_MODE", "sometimes"),
        ("GRAPH_API_VERSION", "v2.0"),
        ("EGRESS", "direct"),
        ("GATEWAY_ID", "a/b"),
        ("MICROSOFT_TENANT_ID", "../common"),
        ("MICROSOFT_LOGIN_URL", "http://login.example.com"),
        ("ENCRYPTION_KEY", "tooshort"),
        ("COOKIE_SECRET", "zz"),
        ("POLICY", "{\"confirm\":\"maybe\"}"),
        ("POLICY", "{\"confirm\":\"external\"}"),
        ("POLICY", "{\"confirm\":\"always\",\"confirmed\":true}"),
    ];
    for (name, value) in cases {
        let problems = parse(&with(name, value)).unwrap_err();
        assert_eq!(problems.len(), 1, "{name}={value}: {problems:?}");
        assert_eq!(problems[0].setting, name);
        assert!(!problems[0].reason.contains(value), "{problems:?}");
    }
}

#[test]
fn the_custom_provider_needs_its_url() {
    let problems = parse(&with("EGRESS", "custom_provider")).unwrap_err();
    assert_eq!(problems[0].setting, "GATEWAY_BASE_URL");
    let mut settings = with("EGRESS", "custom_provider");
    settings.push(("GATEWAY_BASE_URL", "http://127.0.0.1:8790/gateway/v1/a/g/custom-graph/".into()));
    let config = parse(&settings).unwrap();
    let base_url = config.gateway.base_url.unwrap();
    assert!(base_url.ends_with("/custom-graph"));
}

#[test]
fn a_secret_or_a_certificate_with_its_key_and_never_both() {
    let thumbprint = "ab".repeat(32);
    let named = |changes: &[(&'static str, &str)]| {
        let mut settings = complete();
        for (name, value) in changes {
            settings.retain(|(known, _)| known != name);
            settings.push((name, (*value).to_owned()));
        }
        let problems = parse(&settings).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].setting
    };
    let (secret, certificate, key) =
        ("MICROSOFT_CLIENT_SECRET", "MICROSOFT_CLIENT_CERTIFICATE", "MICROSOFT_CLIENT_PRIVATE_KEY");
    assert_eq!(named(&[(certificate, &thumbprint)]), secret);
    assert_eq!(named(&[(key, "x")]), secret);
    assert_eq!(named(&[(secret, "")]), secret);
    assert_eq!(named(&[(secret, ""), (certificate, &thumbprint)]), key);
    assert_eq!(named(&[(secret, ""), (key, "x")]), certificate);
    assert_eq!(named(&[(secret, ""), (certificate, &thumbprint), (key, SECRET_VALUE)]), key);
}

#[test]
fn a_model_for_condensing_is_a_route_that_can_be_reached() {
    assert_eq!(parse(&complete()).unwrap().gateway.condense, None);
    let by_binding = parse(&with("CONDENSE_ROUTE", "dynamic/condense")).unwrap();
    assert!(by_binding.offer().condenses);
    let expected = CondenseRoute { name: "dynamic/condense".into(), url: None };
    assert_eq!(by_binding.gateway.condense, Some(expected));
    let too_long = format!("dynamic/{}", "a".repeat(65));
    for bad in
        ["condense", "dynamic/", "dynamic/a/b", "openai/gpt", "dynamic/microsoft-graph-handler", &too_long]
    {
        let problems = parse(&with("CONDENSE_ROUTE", bad)).unwrap_err();
        assert_eq!((problems.len(), problems[0].setting), (1, "CONDENSE_ROUTE"), "{bad}");
    }
    let provider = |base_url: &str| {
        let mut settings = with("CONDENSE_ROUTE", "dynamic/condense");
        settings.retain(|(name, _)| *name != "EGRESS");
        settings.extend([("EGRESS", "custom_provider".into()), ("GATEWAY_BASE_URL", base_url.to_owned())]);
        parse(&settings)
    };
    let reached = provider("https://gateway.example/v1/a/g/custom-graph").unwrap().gateway.condense.unwrap();
    assert_eq!(reached.url.as_deref(), Some("https://gateway.example/v1/a/g/compat/chat/completions"));
    let problems = provider("https://gateway.example/graph").unwrap_err();
    assert_eq!((problems.len(), problems[0].setting), (1, "CONDENSE_ROUTE"));
    assert!(problems[0].reason.contains("GATEWAY_BASE_URL"));
}
