//! `${NAME}` and `${NAME:-default}` in a value.

/// Looks a variable up; the real environment, or a test's.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Puts variables into a value. `$$` is one `$`; a `$` before anything else stands for itself, so that a password hash can
/// be written as it is. What a variable holds is not looked through again. As in a shell, `${NAME:-default}` gives the
/// default for an empty variable too.
///
/// # Errors
/// What is wrong, for a person; all of it.
pub(crate) fn expand(text: &str, environment: Environment<'_>) -> Result<String, Vec<String>> {
    let mut expanded = String::with_capacity(text.len());
    let mut wrong = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix('{') {
            let Some(end) = tail.find('}') else {
                wrong.push("`${` without `}`; write $${ for the characters themselves".to_owned());
                return Err(wrong);
            };
            match variable(&tail[..end], environment) {
                Ok(value) => expanded.push_str(&value),
                Err(message) => wrong.push(message),
            }
            rest = &tail[end + 1..];
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    if wrong.is_empty() { Ok(expanded) } else { Err(wrong) }
}

fn variable(inside: &str, environment: Environment<'_>) -> Result<String, String> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().next().is_some_and(|c| !c.is_ascii_digit());
    if !is_name {
        return Err("`${` needs the name of a variable, as in ${NAME} or ${NAME:-default}; \
                    write $${ for the characters themselves"
            .to_owned());
    }
    match (environment(name), default) {
        (_, Some(default)) if default.contains("${") => {
            Err(format!("the default of ${{{name}:-...}} cannot hold another variable"))
        }
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (Some(value), None) => Ok(value),
        (None, None) => {
            Err(format!("the environment variable {name} is not set; set it, or write ${{{name}:-default}}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "A" => Some("alpha".into()),
            "EMPTY" => Some(String::new()),
            "TRICKY" => Some("${A}$$".into()),
            _ => None,
        }
    }

    #[test]
    fn variables_defaults_and_escapes() {
        for (text, expanded) in [
            ("plain", "plain"),
            ("${A}", "alpha"),
            ("x${A}y${A}", "xalphayalpha"),
            ("${A:-b}", "alpha"),
            ("${NONE:-b:-c}", "b:-c"),
            ("${NONE:-}", ""),
            ("${EMPTY}", ""),
            ("${EMPTY:-b}", "b"),
            ("${TRICKY}", "${A}$$"),
            ("$$", "$"),
            ("$${A}", "${A}"),
            ("$argon2id$v=19$m=1", "$argon2id$v=19$m=1"),
            ("cost $", "cost $"),
        ] {
            assert_eq!(expand(text, &environment).as_deref(), Ok(expanded), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_expanded_is_said_all_at_once() {
        let wrong = expand("${NONE} ${ALSO_NONE} ${}", &environment).unwrap_err();
        assert_eq!(wrong.len(), 3);
        assert!(wrong[0].contains("NONE is not set") && wrong[1].contains("ALSO_NONE"), "{wrong:?}");
        for text in ["${A", "${1A}", "${A-b}", "${NONE:-${A}}"] {
            assert!(expand(text, &environment).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[${}A:\\-é]{0,12}") {
            let _ = expand(&text, &environment);
        }
    }
}
