//! Rounds of a group, with time as an argument.

use super::*;

const SESSION: Duration = Duration::from_secs(6);

fn joining(protocols: &[&str]) -> Joining {
    Joining {
        instance: None,
        session: SESSION,
        patience: Duration::from_mins(1),
        kind: "consumer".into(),
        protocols: protocols.iter().map(|p| ((*p).into(), Bytes::new())).collect(),
    }
}

fn join(group: &mut Group, id: &str, now: Instant) -> u64 {
    group.join(id, joining(&["sticky", "range"]), now).unwrap()
}

fn share_of(group: &mut Group, id: &str, generation: i32, now: Instant) -> String {
    let share = group.share(id, generation, now).expect("assigned").unwrap();
    String::from_utf8(share.to_vec()).unwrap()
}

#[test]
fn a_second_member_starts_a_round_and_both_get_their_share() {
    let (mut group, now) = (Group::default(), Instant::now());
    let first = join(&mut group, "a", now);
    assert!(group.joined("a", first, now).is_none(), "the round closes with a tick");
    assert!(group.tick(now));
    assert_eq!(group.joined("a", first, now).unwrap().unwrap().leader, "a");
    group.assign("a", 1, vec![("a".into(), "all".into())], now).unwrap();
    assert_eq!(share_of(&mut group, "a", 1, now), "all");

    let second = join(&mut group, "b", now);
    assert!(!group.tick(now), "a has not joined the new round");
    assert_eq!(group.heartbeat("a", 1, now), Err(ErrorCode::RebalanceInProgress));
    let first = join(&mut group, "a", now);
    assert!(group.tick(now));
    let joined = group.joined("a", first, now).unwrap().unwrap();
    assert_eq!((joined.generation, joined.members.len()), (2, 2));
    assert!(group.joined("b", second, now).unwrap().unwrap().members.is_empty(), "not the leader");
    assert!(group.share("b", 2, now).is_none(), "the leader has not assigned");
    let shares = vec![("a".into(), "half".into()), ("b".into(), "rest".into())];
    group.assign("a", 2, shares, now).unwrap();
    assert_eq!(share_of(&mut group, "b", 2, now), "rest");
    assert_eq!(group.heartbeat("a", 1, now), Err(ErrorCode::IllegalGeneration));
    assert_eq!(group.may_commit("a", 1), Err(ErrorCode::IllegalGeneration));
    assert_eq!(group.may_commit("a", 2), Ok(()));
}

#[test]
fn silent_and_leaving_members_give_up_their_share() {
    let (mut group, start) = (Group::default(), Instant::now());
    for id in ["a", "b", "c"] {
        join(&mut group, id, start);
    }
    group.tick(start);
    group.assign("a", 1, Vec::new(), start).unwrap();
    let later = start + SESSION;
    for id in ["b", "c"] {
        group.heartbeat(id, 1, later).unwrap();
    }
    assert!(!group.tick(later));
    let later = later + Duration::from_millis(1);
    assert!(group.tick(later), "a was silent for longer than its session");
    assert_eq!(group.heartbeat("a", 1, later), Err(ErrorCode::UnknownMemberId));
    assert_eq!(group.heartbeat("b", 1, later), Err(ErrorCode::RebalanceInProgress));
    let request = join(&mut group, "b", later);
    group.leave("c", later).unwrap();
    assert!(group.tick(later));
    let joined = group.joined("b", request, later).unwrap().unwrap();
    assert_eq!((joined.leader.as_str(), joined.members.len()), ("b", 1), "a new leader");
}

#[test]
fn a_member_that_does_not_join_in_time_is_out() {
    let (mut group, start) = (Group::default(), Instant::now());
    let slow = Joining { patience: Duration::from_secs(2), ..joining(&["sticky"]) };
    group.join("slow", slow.clone(), start).unwrap();
    group.tick(start);
    let request = group.join("b", slow, start).unwrap();
    assert!(!group.tick(start + Duration::from_secs(1)));
    assert!(group.tick(start + Duration::from_secs(2)));
    let joined = group.joined("b", request, start).unwrap().unwrap();
    assert_eq!((joined.generation, joined.leader.as_str()), (2, "b"));
}

#[test]
fn only_the_last_request_is_answered_and_protocols_must_agree() {
    let (mut group, now) = (Group::default(), Instant::now());
    let lost = join(&mut group, "a", now);
    let again = join(&mut group, "a", now);
    group.tick(now);
    assert_eq!(group.joined("a", lost, now), Some(Err(ErrorCode::UnknownMemberId)));
    assert!(group.joined("a", again, now).unwrap().is_ok());
    let odd = group.join("b", joining(&["roundrobin"]), now);
    assert_eq!(odd, Err(ErrorCode::InconsistentGroupProtocol));
    join(&mut group, "a", now);
    group.join("b", joining(&["range"]), now).unwrap();
    group.tick(now);
    assert_eq!(group.protocol, "range", "the one both know");
}
