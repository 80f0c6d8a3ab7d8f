// Namespace comment for the module; real files follow.
