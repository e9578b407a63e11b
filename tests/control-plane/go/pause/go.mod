// The program of the sandbox container of every pod of a test node: it waits.
// Built here, because a node of the test bed pulls nothing from a registry.
module gaap-operator.io/tests/control-plane/pause

go 1.26.0
