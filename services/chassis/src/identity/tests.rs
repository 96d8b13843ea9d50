//! What a verifier believes, and what it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{Clock, Principal};

const NOW: i64 = 1_800_000_000;

/// A folder with keys of the gateway and of a service, and a clock.
struct Stage {
    folder: TempDir,
    now: Arc<AtomicI64>,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for issuer in [GATEWAY, "change"] {
            generate(folder.path(), issuer, false).unwrap();
        }
        let now = Arc::new(AtomicI64::new(NOW));
        Self { folder, now }
    }

    fn clock(&self) -> Clock {
        let now = self.now.clone();
        Clock::from_fn(move || now.load(Ordering::SeqCst) * 1_000_000)
    }

    fn signing(&self, issuer: &str) -> Signing {
        Signing::load(self.folder.path(), issuer).unwrap()
    }

    fn minter(&self, issuer: &str) -> Minter {
        Minter::new(self.signing(issuer), self.clock())
    }

    fn verifier(&self, audience: &str) -> Verifier {
        let keys = Verifying::load(self.folder.path()).unwrap();
        Verifier::new(audience, keys, self.clock())
    }

    /// A token of any head and claims, signed as an issuer.
    fn forged(&self, issuer: &str, head: &Value, claims: &Value) -> String {
        let signing = self.signing(issuer);
        let pair = Ed25519KeyPair::from_pkcs8(signing.key.as_bytes()).unwrap();
        let text = format!("{}.{}", encoded(head), encoded(claims));
        let signature = URL_SAFE_NO_PAD.encode(pair.sign(text.as_bytes()));
        format!("{text}.{signature}")
    }

    fn head(&self, issuer: &str) -> Value {
        json!({"alg": "EdDSA", "typ": "itk+jwt", "kid": self.signing(issuer).id})
    }
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn claims() -> Value {
    json!({
        "iss": "gateway", "aud": "incident", "sub": "organizations/default/serviceAccounts/pager",
        "iat": NOW, "nbf": NOW, "exp": NOW + 60, "jti": "1",
        "organization": "default", "permissions": "incident.read event.read", "roles": ["viewer"],
    })
}

fn pager() -> Principal {
    let permissions = ["incident.read", "incident.read_internal"].map(str::to_owned);
    let ended = CancellationToken::new();
    Principal::new(
        "organizations/default/serviceAccounts/pager",
        "default",
        Arc::new(permissions.into()),
        ended,
    )
    .with_roles(["agent"])
}

fn token(minter: &Minter, principal: &Principal) -> String {
    let value = minter.bearer(principal, "incident").unwrap();
    value
        .to_str()
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap()
        .to_owned()
}

#[test]
fn what_the_gateway_says_of_a_principal_is_believed() {
    let stage = Stage::new();
    let token = token(&stage.minter(GATEWAY), &pager());
    let believed = stage.verifier("incident").verify(&token).unwrap();
    assert_eq!(believed.name(), pager().name());
    assert_eq!(believed.organization(), "default");
    assert_eq!(believed.permissions(), pager().permissions());
    assert_eq!(believed.roles().as_ref(), ["agent"]);
    assert!(token.len() < 700, "{} bytes", token.len());
}

#[test]
fn a_follower_is_believed_of_itself_only() {
    let stage = Stage::new();
    for issuer in [GATEWAY, "change"] {
        let token = token(&stage.minter(issuer), &Principal::follower(issuer));
        let believed = stage.verifier("incident").verify(&token).unwrap();
        assert_eq!(believed.name(), format!("services/{issuer}"));
        assert!(believed.may("event.read") && !believed.may("incident.read"));
    }
    let others = token(&stage.minter("change"), &Principal::follower(GATEWAY));
    let refused = stage.verifier("incident").verify(&others);
    assert_eq!(refused.unwrap_err(), Flaw::Overreach);
}

#[test]
fn a_token_is_minted_once_for_many_calls_and_dies_with_its_time() {
    let stage = Stage::new();
    let (minter, verifier, pager) = (stage.minter(GATEWAY), stage.verifier("incident"), pager());
    let first = token(&minter, &pager);
    assert_eq!(token(&minter, &pager), first);
    assert_ne!(token(&minter, &self::pager()), first);
    assert!(verifier.verify(&first).is_ok());
    stage.now.store(NOW + 66, Ordering::SeqCst);
    assert_eq!(verifier.verify(&first).unwrap_err(), Flaw::Expired);
    assert_eq!(
        stage.verifier("incident").verify(&first).unwrap_err(),
        Flaw::Expired
    );
}

/// The claims with some of them otherwise; null takes one away.
fn with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

#[test]
fn claims_that_are_not_exactly_ours_are_refused() {
    let stage = Stage::new();
    let refused = |changes: Value| {
        let token = stage.forged(GATEWAY, &stage.head(GATEWAY), &with(changes.clone()));
        let flaw = stage.verifier("incident").verify(&token);
        flaw.err().unwrap_or_else(|| panic!("believed: {changes}"))
    };
    for unverified in [
        json!({"aud": "change"}),
        json!({"aud": null}),
        json!({"aud": ["incident"]}),
        json!({"aud": ["incident", "change"]}),
        json!({"iss": "change"}),
        json!({"iss": null}),
        json!({"iss": ["gateway", "change"]}),
        json!({"sub": null}),
        json!({"exp": null}),
        json!({"exp": "never"}),
        json!({"nbf": null}),
        json!({"iat": null}),
        json!({"organization": null}),
        json!({"permissions": null}),
    ] {
        let flaw = refused(unverified.clone());
        assert!(matches!(flaw, Flaw::Unverified(_)), "{unverified}: {flaw}");
    }
    for (changes, flaw) in [
        (
            json!({"iat": NOW - 70, "nbf": NOW - 70, "exp": NOW - 10}),
            Flaw::Expired,
        ),
        (
            json!({"iat": NOW, "nbf": NOW + 30, "exp": NOW + 60}),
            Flaw::Early,
        ),
        (
            json!({"iat": NOW + 30, "nbf": NOW, "exp": NOW + 60}),
            Flaw::Early,
        ),
        (json!({"exp": NOW + 3_600}), Flaw::Life),
        (json!({"exp": i64::MAX, "iat": 1}), Flaw::Life),
        (json!({"exp": NOW, "nbf": NOW}), Flaw::Life),
        (json!({"organization": "-"}), Flaw::Overreach),
        (json!({"organization": ""}), Flaw::Overreach),
        (json!({"sub": ""}), Flaw::Overreach),
        (
            json!({"organization": "-", "sub": "services/gateway", "permissions": "event.read incident.read"}),
            Flaw::Overreach,
        ),
    ] {
        assert_eq!(refused(changes.clone()), flaw, "{changes}");
    }
}

#[test]
fn heads_that_are_not_exactly_ours_are_refused() {
    let stage = Stage::new();
    let id = stage.signing(GATEWAY).id;
    let head = |alg: &str, typ: &str, kid: &str| json!({"alg": alg, "typ": typ, "kid": kid});
    let refused = |head: &Value| {
        let token = stage.forged(GATEWAY, head, &claims());
        let flaw = stage.verifier("incident").verify(&token);
        flaw.err().unwrap_or_else(|| panic!("believed: {head}"))
    };
    for alg in ["none", "None", "HS256", "ES256", "RS256", "eddsa", ""] {
        assert_eq!(
            refused(&head(alg, "itk+jwt", &id)),
            Flaw::Algorithm,
            "{alg}"
        );
    }
    for typ in ["JWT", "at+jwt", "ITK+JWT", ""] {
        assert_eq!(refused(&head("EdDSA", typ, &id)), Flaw::Type, "{typ}");
    }
    let stranger = stage.signing("change").id;
    for kid in [
        "",
        "../gateway.key",
        "' or 1=1",
        "/dev/null",
        "0000000000000000",
    ] {
        assert_eq!(refused(&head("EdDSA", "itk+jwt", kid)), Flaw::Key, "{kid}");
    }
    let flaw = refused(&head("EdDSA", "itk+jwt", &stranger));
    assert!(matches!(flaw, Flaw::Unverified(_)), "another's key: {flaw}");
    for (name, value) in [
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/cert")),
        ("jwk", json!({"kty": "OKP"})),
        ("x5c", json!(["MII="])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
    ] {
        let mut head = stage.head(GATEWAY);
        head[name] = value;
        assert_eq!(refused(&head), Flaw::Head, "{name}");
    }
    for missing in ["alg", "typ", "kid"] {
        let mut head = stage.head(GATEWAY);
        head.as_object_mut().unwrap().remove(missing);
        assert_eq!(refused(&head), Flaw::Head, "{missing}");
    }
}

#[test]
fn signatures_that_are_not_the_issuers_are_refused() {
    let stage = Stage::new();
    let verifier = stage.verifier("incident");
    let good = stage.forged(GATEWAY, &stage.head(GATEWAY), &claims());
    assert!(verifier.verify(&good).is_ok());
    let (text, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = text.split_once('.').unwrap();
    let others = stage.forged("change", &stage.head(GATEWAY), &claims());
    let stronger = encoded(&with(json!({"permissions": "access.manage"})));
    for token in [
        format!("{text}."),
        format!("{text}.{}", &signature[1..]),
        format!("{head}.{stronger}.{signature}"),
        format!("{good}.{signature}"),
        text.to_owned(),
        others,
    ] {
        let flaw = verifier.verify(&token).unwrap_err();
        assert!(matches!(flaw, Flaw::Unverified(_)), "{token}: {flaw}");
    }
    for nonsense in ["", ".", "..", "a.b.c", "mst_secret"] {
        assert_eq!(verifier.verify(nonsense).unwrap_err(), Flaw::Head);
    }
    // The public key taken for the secret of a symmetric algorithm.
    let public = std::fs::read(public_file(&stage, GATEWAY)).unwrap();
    let mut head = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    head.typ = Some(TYPE.to_owned());
    head.kid = Some(stage.signing(GATEWAY).id);
    let secret = jsonwebtoken::EncodingKey::from_secret(&public);
    let confused = jsonwebtoken::encode(&head, &claims(), &secret).unwrap();
    assert_eq!(verifier.verify(&confused).unwrap_err(), Flaw::Algorithm);
    let long = stage.forged(
        GATEWAY,
        &stage.head(GATEWAY),
        &with(json!({"roles": ["r".repeat(8_000)]})),
    );
    assert_eq!(verifier.verify(&long).unwrap_err(), Flaw::Long);
}

fn public_file(stage: &Stage, issuer: &str) -> std::path::PathBuf {
    let id = stage.signing(issuer).id;
    stage.folder.path().join(format!("{issuer}.{id}.pub"))
}

#[test]
fn a_replaced_key_is_good_until_its_public_file_goes() {
    let stage = Stage::new();
    let (old, file) = (
        token(&stage.minter(GATEWAY), &pager()),
        public_file(&stage, GATEWAY),
    );
    let again = generate(stage.folder.path(), GATEWAY, false);
    assert!(matches!(again, Err(KeyError::Exists { .. })), "{again:?}");
    generate(stage.folder.path(), GATEWAY, true).unwrap();
    let new = token(&stage.minter(GATEWAY), &pager());
    let verifier = stage.verifier("incident");
    assert!(verifier.verify(&old).is_ok() && verifier.verify(&new).is_ok());
    std::fs::remove_file(file).unwrap();
    let verifier = stage.verifier("incident");
    assert_eq!(verifier.verify(&old).unwrap_err(), Flaw::Key);
    assert!(verifier.verify(&new).is_ok());
}

#[cfg(unix)]
#[test]
fn a_private_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = Stage::new();
    let file = stage.folder.path().join("gateway.key");
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode));
    let made = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(made & 0o777, 0o600);
    for open in [0o640, 0o604, 0o644, 0o660] {
        mode(open).unwrap();
        let refused = Signing::load(stage.folder.path(), GATEWAY).unwrap_err();
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
    }
    mode(0o400).unwrap();
    assert!(Signing::load(stage.folder.path(), GATEWAY).is_ok());
}

#[test]
fn files_that_hold_no_key_are_named() {
    let stage = Stage::new();
    let empty = tempfile::tempdir().unwrap();
    let none = Verifying::load(empty.path()).unwrap_err().to_string();
    assert!(none.contains("mainstay keys generate"), "{none}");
    let unnamed = Verifying::load(std::path::Path::new("")).unwrap_err();
    assert!(unnamed.to_string().contains("--keys DIR"), "{unnamed}");
    let file = stage.folder.path().join("gateway.old.pub");
    std::fs::write(
        &file,
        "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n",
    )
    .unwrap();
    let foreign = Verifying::load(stage.folder.path())
        .unwrap_err()
        .to_string();
    assert!(foreign.contains("gateway.old.pub"), "{foreign}");
    let bad = generate(stage.folder.path(), "../gateway", false);
    assert!(matches!(bad, Err(KeyError::Issuer { .. })), "{bad:?}");
}
