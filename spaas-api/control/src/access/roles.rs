//! What an actor may do: roles per namespace, each can do what the one before can.

use axum::http::StatusCode;

use millrace_http::Problem;

use crate::model::{Actor, Role};

/// The answer about a namespace that is not there, or that the caller has no role in: nobody learns
/// which.
pub fn no_namespace(namespace: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found")
        .detail(format!("there is no namespace {namespace}, or none that this token may see"))
}

impl Actor {
    /// Refuses whoever has no role in the namespace (404) or one below `role` (403).
    ///
    /// # Errors
    /// The answer to the request.
    pub fn require(&self, namespace: &str, role: Role) -> Result<(), Problem> {
        match self.role_in(namespace) {
            None => Err(no_namespace(namespace)),
            Some(has) if has < role => {
                Err(too_low(role, &format!("namespace {namespace}"), Some(has)))
            }
            Some(_) => Ok(()),
        }
    }

    /// Refuses whoever does not have `role` in all namespaces (403).
    ///
    /// # Errors
    /// The answer to the request.
    pub fn require_everywhere(&self, role: Role) -> Result<(), Problem> {
        match self.role_everywhere() {
            Some(has) if has >= role => Ok(()),
            has => Err(too_low(role, "all namespaces (`*`)", has)),
        }
    }
}

fn too_low(needed: Role, place: &str, has: Option<Role>) -> Problem {
    let has = has.map_or("none", name);
    let needed = name(needed);
    Problem::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden")
        .detail(format!("this needs the role {needed} in {place}; the token has {has}"))
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Editor => "editor",
        Role::Admin => "admin",
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Binding;

    use super::*;

    const ROLES: [Role; 3] = [Role::Viewer, Role::Editor, Role::Admin];

    fn actor(bindings: &[(&str, Role)]) -> Actor {
        let bindings = bindings
            .iter()
            .map(|(ns, role)| Binding { namespace: (*ns).to_owned(), role: *role })
            .collect();
        Actor { token: "t".into(), name: "t".into(), bindings, expires_ms: None }
    }

    fn answer(result: Result<(), Problem>) -> u16 {
        result.map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    #[test]
    fn a_role_can_do_what_those_below_it_can_and_nothing_elsewhere() {
        for has in ROLES {
            let one = actor(&[("a", has)]);
            let all = actor(&[("*", has)]);
            for needed in ROLES {
                let expected = if has >= needed { 200 } else { 403 };
                assert_eq!(answer(one.require("a", needed)), expected, "{has:?} {needed:?}");
                assert_eq!(answer(one.require("b", needed)), 404);
                assert_eq!(answer(one.require_everywhere(needed)), 403);
                assert_eq!(answer(all.require("b", needed)), expected);
                assert_eq!(answer(all.require_everywhere(needed)), expected);
            }
        }
        assert_eq!(answer(actor(&[]).require("a", Role::Viewer)), 404);
    }

    #[test]
    fn of_several_roles_the_highest_counts() {
        let both = actor(&[("*", Role::Viewer), ("a", Role::Editor)]);
        assert_eq!(answer(both.require("a", Role::Editor)), 200);
        assert_eq!(answer(both.require("b", Role::Editor)), 403);
    }
}
