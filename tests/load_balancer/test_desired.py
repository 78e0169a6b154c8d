from rehearsal.load_balancer import naming
from rehearsal.load_balancer.desired import Desired, binding_manifest, desired, is_owned, owner
from rehearsal.load_balancer.ingress import TargetType
from rehearsal.load_balancer.objects import Json
from rehearsal.load_balancer.targets import GATE, Place
from tests.load_balancer.cluster import NAME, NAMESPACE, binding, endpoint_slice, ingress, pod, service, world

GATE_OF_SMALLCASE = GATE + naming.binding_name(NAME, "smallcase", "80")


def test_an_ingress_of_the_class_gets_a_load_balancer_with_its_pods() -> None:
    found = desired(
        world(
            ingresses=[ingress()],
            services=[service()],
            slices=[endpoint_slice({"a": False, "b": True})],
            pods=[pod("a", gate=GATE_OF_SMALLCASE), pod("b")],
        ),
        {},
    )
    (membership,) = found.memberships
    assert membership.gate == GATE_OF_SMALLCASE
    assert sorted(membership.places) == [Place(address="10.0.0.1", port=8080), Place(address="10.0.0.2", port=8080)]
    assert found.used == {membership.arn}
    assert membership.reachable


def test_an_ingress_of_another_class_is_left_alone() -> None:
    assert desired(world(ingresses=[ingress(ingressClassName="nginx")], services=[service()]), {}).models == {}


def test_without_the_ingress_class_nothing_is_served() -> None:
    assert desired(world(with_class=False, ingresses=[ingress()], services=[service()]), {}).models == {}


def test_a_deleted_ingress_loses_its_load_balancer() -> None:
    assert desired(world(ingresses=[ingress(deleted=True)], services=[service()]), {}).models == {}


def test_an_ingress_that_becomes_invalid_keeps_the_load_balancer_it_had() -> None:
    before = desired(world(ingresses=[ingress()], services=[service()]), {}).models
    broken = world(ingresses=[ingress({"scheme": "public"})], services=[service()])
    after = desired(broken, before)
    assert after.models == before
    assert "'public'" in after.refused[NAME]
    assert desired(broken, {}).models == {}


def test_a_binding_of_somebody_else_is_unused_until_a_listener_forwards_to_it() -> None:
    cluster = world(
        services=[service()],
        slices=[endpoint_slice({"b": True})],
        pods=[pod("b")],
        bindings=[binding("mine", arn="arn:mine")],
    )
    found = desired(cluster, {})
    assert [membership.arn for membership in found.memberships] == ["arn:mine"]
    assert list(found.memberships[0].places) == [Place(address="10.0.0.1", port=8080)]
    assert "arn:mine" not in found.used


def test_a_binding_without_networking_leaves_its_pods_unreachable() -> None:
    found = desired(world(services=[service()], bindings=[binding("mine", networking=False)]), {})
    assert [membership.reachable for membership in found.memberships] == [False]


def test_the_controllers_own_binding_is_known_again_and_names_its_ingress() -> None:
    (model,) = desired(world(ingresses=[ingress()], services=[service()]), {}).models.values()
    manifest = binding_manifest(model.groups[0], model)
    assert is_owned(manifest)
    assert owner(manifest) == NAME
    assert not is_owned(binding("mine"))
    assert model.groups[0].binding[0] == NAMESPACE


PARAMETERS: Json = {
    "scheme": "internet-facing",
    "targetType": "ip",
    "loadBalancerAttributes": [{"key": "routing.http.drop_invalid_header_fields.enabled", "value": "true"}],
}


def test_the_parameters_of_the_class_go_before_what_an_ingress_or_a_service_says() -> None:
    said = {
        "scheme": "internal",
        "target-type": "instance",
        "load-balancer-attributes": "routing.http.drop_invalid_header_fields.enabled=false",
    }
    other = service(annotations={"alb.ingress.kubernetes.io/target-type": "instance"})
    (found,) = desired(world(parameters=PARAMETERS, ingresses=[ingress(said)], services=[other]), {}).models.values()
    assert (found.internal, found.drops_invalid_headers, found.groups[0].target_type) == (False, True, TargetType.IP)


def test_a_class_whose_parameters_are_missing_serves_nothing_and_says_why() -> None:
    found = desired(world(parameters={}, ingresses=[ingress()], services=[service()]), {})
    assert found.models == {}
    assert 'ingressclassparams.elbv2.k8s.aws "alb" not found' in found.refused[NAME]


def test_a_deleted_ingress_that_is_protected_keeps_its_load_balancer_until_that_is_lifted() -> None:
    def deleted(protection: str) -> Desired:
        attributes = {"load-balancer-attributes": f"deletion_protection.enabled={protection}"}
        return desired(world(ingresses=[ingress(attributes, deleted=True)], services=[service()]), {})

    kept = deleted("true")
    assert kept.models[NAME].protected
    assert kept.refused == {NAME: "deletion_protection is enabled, cannot delete the ingress: smallcase"}
    assert deleted("false").models == {}


def test_protection_by_the_parameters_of_the_class_is_for_aws_alone_and_the_controller_lifts_it() -> None:
    protecting: Json = {"loadBalancerAttributes": [{"key": "deletion_protection.enabled", "value": "true"}]}
    found = desired(world(parameters=protecting, ingresses=[ingress(deleted=True)], services=[service()]), {})
    assert found.models == {}
