// Shows the OpenAPI document of this very server; needs nothing from anywhere else.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

// An example-like outline of a schema, with references followed, bounded in depth.
function outline(schema, components, depth = 0) {
  if (!schema || depth > 6) return "…";
  if (schema.$ref) return outline(components[schema.$ref.split("/").pop()], components, depth + 1);
  if (schema.allOf) return outline(schema.allOf[0], components, depth + 1);
  if (schema.oneOf || schema.anyOf) return outline((schema.oneOf || schema.anyOf)[0], components, depth + 1);
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.type === "array") return [outline(schema.items, components, depth + 1)];
  if (schema.properties) {
    const required = new Set(schema.required || []);
    const fields = Object.entries(schema.properties).map(([name, inner]) =>
      [required.has(name) ? name : `${name}?`, outline(inner, components, depth + 1)]);
    return Object.fromEntries(fields);
  }
  return [schema.type || "any", schema.format, limits(schema), schema.nullable && "or null"]
    .filter(Boolean).join(" ");
}

function limits(schema) {
  const least = schema.minimum ?? schema.minLength;
  const most = schema.maximum ?? schema.maxLength;
  if (least === undefined && most === undefined) return "";
  return `(${least ?? ""}–${most ?? ""})`;
}

function body(title, content, components) {
  const kinds = Object.entries(content || {});
  if (!kinds.length) return [];
  const [kind, media] = kinds[0];
  const text = JSON.stringify(outline(media.schema, components), null, 2);
  return [make("h4", `${title} (${kind})`), make("pre", text)];
}

function parameters(list) {
  if (!list || !list.length) return [];
  const table = make("table");
  for (const one of list) {
    const row = make("tr");
    const name = make("td");
    name.append(make("code", one.name));
    const kind = [one.in, one.required ? "required" : "", one.schema.type, one.schema.format];
    row.append(name, make("td", kind.filter(Boolean).join(", ")), make("td", one.description || ""));
    table.append(row);
  }
  return [make("h4", "Parameters"), table];
}

function operation(path, method, spec, components) {
  const details = make("details");
  const summary = make("summary");
  summary.append(make("span", method.toUpperCase(), `method ${method}`), make("code", path));
  const inside = make("div");
  inside.append(make("p", spec.description || ""));
  const isOpen = (spec.security || []).some((one) => Object.keys(one).length === 0);
  inside.append(make("p", isOpen ? "Open to everybody." : "Needs an API key or a session.", "note"));
  inside.append(...parameters(spec.parameters));
  inside.append(...body("Body", spec.requestBody?.content, components));
  for (const [status, answer] of Object.entries(spec.responses)) {
    if (status === "default") continue; // the one shape of errors stands at the end
    const shown = body(`Answer ${status}`, answer.content, components);
    inside.append(...(shown.length ? shown : [make("h4", `Answer ${status}`), make("p", answer.description || "No body.")]));
  }
  details.append(summary, inside);
  details.dataset.words = `${method} ${path} ${spec.description || ""}`.toLowerCase();
  return details;
}

function show(api) {
  document.getElementById("title").textContent = `${api.info.title} ${api.info.version}`;
  document.getElementById("description").textContent = api.info.description || "";
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((one) => methods[one])) {
      const spec = methods[method];
      const tag = (spec.tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(path, method, spec, api.components?.schemas || {}));
    }
  }
  const main = document.getElementById("operations");
  main.replaceChildren();
  for (const [tag, operations] of groups) {
    const section = make("section");
    section.append(make("h2", tag), ...operations);
    main.append(section);
  }
  const refusal = make("section");
  refusal.append(make("h2", "errors"), make("p", "Every refusal of every operation has this shape."));
  refusal.append(make("pre", JSON.stringify(outline(api.components.schemas.Error, {}), null, 2)));
  main.append(refusal);
}

function filter(text) {
  for (const one of document.querySelectorAll("details")) {
    one.hidden = !one.dataset.words.includes(text.toLowerCase());
  }
  for (const section of document.querySelectorAll("section")) {
    section.hidden = text !== "" && !section.querySelector("details:not([hidden])");
  }
}

document.getElementById("filter").addEventListener("input", (event) => filter(event.target.value));
fetch("../schema/", { headers: { Accept: "application/json" } })
  .then((answer) => answer.json())
  .then(show)
  .catch(() => { document.getElementById("operations").textContent = "The schema could not be loaded."; });
