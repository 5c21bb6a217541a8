// What the routes of one kernel protocol look like in the kernel, apart from their prefix. A profile
// is what attributes ask for; a form is one way to write that down: with the next hops in the route,
// or by reference to a next hop object. Nets hold forms by number, which are counted; profiles are
// found by attributes number.

import type { AttributeStore, RouteAttributes } from '@rookery/rib';
import type { KernelRouteShape } from '../io.ts';
import { nexthopsKey } from '../kernel-route.ts';
import type { KernelNexthops, NexthopObject, NexthopUse } from './kernel-nexthops.ts';

export interface KernelForm {
  readonly shape: KernelRouteShape;
  /** Everything but the next hops, and the next hops, as keys. */
  readonly rest: string;
  readonly nexthops: string;
  readonly object: NexthopObject | undefined;
  /** Nets that have it, and its number while there are any. */
  users: number;
  number: number;
}

export interface KernelProfile {
  /** Empty when the next hops must stay in the route. */
  readonly uses: readonly NexthopUse[];
  readonly plain: KernelForm;
  /** The form used last that refers to an object. */
  referring: KernelForm | undefined;
}

/** True when packets fare the same with a route of the form as with one of the profile. */
export function serves(form: KernelForm, { plain }: KernelProfile): boolean {
  return form.rest === plain.rest && (form.object ?? form).nexthops === plain.nexthops;
}

export class KernelForms {
  readonly #attributes: AttributeStore;
  readonly #nexthops: KernelNexthops;
  readonly #shapeFor: (forwarding: RouteAttributes) => KernelRouteShape;
  /** By number; none has number 0. */
  readonly #forms: (KernelForm | undefined)[] = [undefined];
  readonly #free: number[] = [];
  /** By attributes number, as long as the birth is the same. */
  readonly #profiles: KernelProfile[] = [];
  readonly #births: number[] = [];
  #last: { readonly of: RouteAttributes; readonly profile: KernelProfile } | undefined;

  constructor(
    attributes: AttributeStore,
    nexthops: KernelNexthops,
    shapeFor: (forwarding: RouteAttributes) => KernelRouteShape,
  ) {
    this.#attributes = attributes;
    this.#nexthops = nexthops;
    this.#shapeFor = shapeFor;
  }

  profileOf(attributes: number): KernelProfile {
    const birth = this.#attributes.birthOf(attributes);
    if (this.#births[attributes] === birth) return this.#profiles[attributes]!;
    const profile = this.#profileFor(this.#attributes.forwarding(attributes));
    this.#births[attributes] = birth;
    this.#profiles[attributes] = profile;
    return profile;
  }

  get(number: number): KernelForm | undefined {
    return this.#forms[number];
  }

  /** The form in which a route of the profile goes into the kernel now. */
  formFor(profile: KernelProfile): KernelForm {
    const { uses, plain } = profile;
    const object = this.#nexthops.objectFor(uses, plain.shape.nexthops, plain.nexthops);
    return object ? this.formReferring(profile, object) : plain;
  }

  formReferring(profile: KernelProfile, object: NexthopObject): KernelForm {
    const { plain, referring } = profile;
    if (referring?.object === object) return referring;
    const shape = { ...plain.shape, nexthopId: object.id };
    profile.referring = { ...plain, shape, object, users: 0 };
    return profile.referring;
  }

  /** One more net has the form; returns its number. */
  retain(form: KernelForm): number {
    if (form.users++ > 0) return form.number;
    form.number = this.#free.pop() ?? this.#forms.length;
    this.#forms[form.number] = form;
    if (form.object) this.#nexthops.retain(form.object);
    return form.number;
  }

  release(number: number): void {
    const form = this.#forms[number];
    if (!form || --form.users > 0) return;
    this.#forms[number] = undefined;
    this.#free.push(number);
    if (form.object) this.#nexthops.release(form.object);
  }

  clear(): void {
    this.#forms.length = 1;
    this.#free.length = 0;
    this.#profiles.length = 0;
    this.#births.length = 0;
    this.#last = undefined;
  }

  #profileFor(forwarding: RouteAttributes): KernelProfile {
    // Attributes that differ in BGP's share alone mostly follow each other.
    if (this.#last?.of === forwarding) return this.#last.profile;
    const shape = this.#shapeFor(forwarding);
    const { nexthops, ...rest } = shape;
    const profile: KernelProfile = {
      uses: this.#nexthops.usesOf(shape),
      plain: {
        shape,
        rest: JSON.stringify(rest),
        nexthops: nexthopsKey(nexthops),
        object: undefined,
        users: 0,
        number: 0,
      },
      referring: undefined,
    };
    this.#last = { of: forwarding, profile };
    return profile;
  }
}
