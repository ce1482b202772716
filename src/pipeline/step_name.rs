//! Names of steps in messages: steps count from 1 there, as in the row balance and in `preview --step`.

use crate::yaml::problem::Problem;

/// Returns the name of a step, or of a part of one, by its key: `set.score in step 1` for `transform[0].set.score`, and
/// `set in step 1 of users` for a step of one of several artifacts.
pub fn of_key(key: &str) -> String {
    let of_artifact = key.strip_prefix("artifacts.").and_then(|rest| rest.split_once('.'));
    if let Some((artifact, key)) = of_artifact.filter(|(_, key)| key.starts_with("transform[")) {
        return format!("{} of {artifact}", of_key(key));
    }
    let parts = key.strip_prefix("transform[").and_then(|rest| rest.split_once("]."));
    let counted = parts.and_then(|(index, step)| Some((index.parse::<usize>().ok()?, step)));
    match counted {
        Some((index, step)) => format!("{step} in step {}", index + 1),
        None => key.to_owned(),
    }
}

/// Returns a problem as one line, which names its step.
pub fn of_problem(problem: &Problem) -> String {
    let mut problem = problem.clone();
    if let Some(place) = &mut problem.place {
        place.key = of_key(&place.key);
    }
    problem.to_string()
}

#[cfg(test)]
mod tests {
    use super::of_key;

    #[test]
    fn steps_count_from_1() {
        for (key, name) in [
            ("transform[0].set", "set in step 1"),
            ("transform[11].set.a.b", "set.a.b in step 12"),
            ("transform[3]", "transform[3]"),
            ("expect.unique", "expect.unique"),
            ("step", "step"),
            ("artifacts.users.transform[1].set", "set in step 2 of users"),
            ("artifacts.users.expect.unique", "artifacts.users.expect.unique"),
        ] {
            assert_eq!(of_key(key), name);
        }
    }
}
