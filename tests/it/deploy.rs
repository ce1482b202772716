//! The files to run it with containers: what they configure is valid, and they refer to what exists.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// `check` with these settings, pipelines and variables, and nothing else of the environment.
fn check(settings: &Path, variables: &[(String, String)]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_reportferry"))
        .args(["check", "--config"])
        .arg(settings)
        .env_clear()
        .envs(variables.iter().cloned())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success(), text)
}

fn variables(service: &Value) -> Vec<(String, String)> {
    let environment = service["environment"].as_object().unwrap();
    environment.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

#[test]
fn compose_configures_the_worker_with_keys_that_exist() {
    let compose = yaml(&read("docker-compose.yml"));
    let worker = &compose["services"]["worker"];
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("reportferry.yaml");
    let (ok, text) = check(&settings, &variables(worker));
    assert!(ok && text.contains("5 pipelines"), "{text}");
    // Within a container, the page's port is published on loopback alone.
    assert_eq!(text.matches("REPORTFERRY_").count(), text.matches("REPORTFERRY_HTTP").count(), "no such key: {text}");
    let mut misspelt = variables(worker);
    misspelt.push(("REPORTFERRY_TENANTS__ACME__INSECURR".to_owned(), "true".to_owned()));
    assert!(check(&settings, &misspelt).1.contains("INSECURR"), "this check can fail");

    let image = read("Dockerfile");
    assert!(image.contains("CMD [\"work\"]"), "the image runs the worker");
    let health: Vec<&str> =
        worker["healthcheck"]["test"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(health, ["CMD", "/usr/local/bin/reportferry", "health"]);
    assert!(image.contains("/usr/local/bin/reportferry\n"), "where the image has it");
    let ports: Vec<&str> = worker["ports"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(ports, ["127.0.0.1:8080:8080"]);
}

#[test]
fn kubernetes_has_a_worker_whose_settings_are_valid() {
    let documents: Vec<Value> = read("deploy/kubernetes/reportferry.yaml").split("\n---\n").map(yaml).collect();
    let named = |kind: &str, name: &str| {
        let found = documents.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    };
    // As the pod mounts them, below one folder.
    let root = super::stage::folder();
    let place = |path: &str| root.path().join(path.trim_start_matches('/'));
    let deployment = named("Deployment", "reportferry");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let volumes = pod["volumes"].as_array().unwrap();
    for mount in container["volumeMounts"].as_array().unwrap() {
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
        let folder = place(mount["mountPath"].as_str().unwrap());
        std::fs::create_dir_all(&folder).unwrap();
        let files = match (volume["configMap"]["name"].as_str(), volume["secret"]["secretName"].as_str()) {
            (Some(name), _) => &named("ConfigMap", name)["data"],
            (_, Some(name)) => &named("Secret", name)["stringData"],
            _ => continue,
        };
        for (name, text) in files.as_object().unwrap() {
            let text = text.as_str().unwrap().replace("/etc/", &format!("{}/etc/", root.path().display()));
            let text = text.replace("/run/secrets", &format!("{}/run/secrets", root.path().display()));
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
    let variables = container["env"].as_array().unwrap();
    let settings = variables.iter().find(|one| one["name"] == "REPORTFERRY_CONFIG").unwrap()["value"].as_str().unwrap();
    // The key is a placeholder.
    let key = root.path().join("run/secrets/reportferry/hris_key");
    let arguments = ["-q", "-t", "ed25519", "-N", "", "-f", "id"];
    let made = Command::new("ssh-keygen").args(arguments).current_dir(root.path()).status().unwrap();
    assert!(made.success());
    std::fs::rename(root.path().join("id"), key).unwrap();
    let (ok, text) = check(&place(settings), &[]);
    assert!(ok && text.contains("1 pipeline"), "{text}");

    assert_eq!(
        (&deployment["spec"]["replicas"], &deployment["spec"]["strategy"]["type"]),
        (&1.into(), &"Recreate".into())
    );
    let security = &container["securityContext"];
    assert_eq!(
        (&security["readOnlyRootFilesystem"], &pod["securityContext"]["runAsNonRoot"]),
        (&true.into(), &true.into())
    );
    let port = &container["ports"][0];
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        let get = &container[probe]["httpGet"];
        assert_eq!((&get["path"], &get["port"]), (&path.into(), &port["name"]), "{probe}");
    }
}
